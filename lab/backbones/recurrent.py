"""LSTM and GRU encoders and decoders after the two published code families.

Both read z at every step. Family H (lagging, BN-VAE, DG-VAE) starts the LSTM at c = W z, h =
tanh(c) without biases; family K (SA-VAE, iVAE, clVAE) at h = W z + b, c = 0 (D10). A GRU, which has
no cell, starts at the same h.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lab.backbones.base import TextDecoder, TextEncoder
from lab.corpora.batches import TextBatch
from lab.model import Augmentation, Reading

if TYPE_CHECKING:
    from lab.backbones.text import TextNetwork

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}
RecurrentState = Tensor | tuple[Tensor, Tensor]


class RecurrentEncoder(TextEncoder):
    """Last hidden state over `<s> w1 .. wn </s>`: batch -> h [B, H]."""

    def __init__(self, network: "TextNetwork", augmentation: Augmentation) -> None:
        super().__init__(network, augmentation)
        self.cells = CELLS[network.encoder](
            network.embedding, network.hidden, network.layers, batch_first=True
        )

    def forward(self, batch: TextBatch) -> Tensor:
        outputs, _ = self.cells(self.words(batch))
        return outputs[torch.arange(batch.size, device=outputs.device), batch.lengths]


class RecurrentDecoder(TextDecoder):
    """Every layer starts from its own projection of z, and the lowest reads z at every step."""

    def __init__(self, network: "TextNetwork", latent: int, reading: Reading) -> None:
        super().__init__(network, latent, reading)
        hidden, layers, bias = network.hidden, network.layers, network.start == "hidden"
        self.layers, self.from_cell = layers, not bias
        self.start = nn.Linear(latent, layers * hidden, bias=bias) if latent else None
        self.cells = CELLS[network.decoder](
            network.embedding + latent, hidden, layers, batch_first=True
        )
        self.output = nn.Linear(self.outputs_read(), network.vocabulary, bias=bias)

    def initial(self, z: Tensor) -> RecurrentState:
        """The state before the first word: (h, c) of an LSTM or h of a GRU, each [L, B, H]."""
        zeros = z.new_zeros(self.layers, len(z), self.hidden)
        cell = zeros
        if self.start is not None:
            cell = self.start(z).unflatten(-1, (self.layers, -1)).transpose(0, 1).contiguous()
        hidden = cell.tanh() if self.from_cell else cell
        if isinstance(self.cells, nn.GRU):
            return hidden
        return hidden, (cell if self.from_cell else zeros)

    def read(
        self, tokens: Tensor, z: Tensor, state: RecurrentState
    ) -> tuple[Tensor, RecurrentState]:
        words = self.dropout(self.embedding(tokens))
        return self.cells(
            torch.cat([words, z.unsqueeze(1).expand(-1, words.shape[1], -1)], -1), state
        )

    def logits(self, outputs: Tensor, z: Tensor) -> Tensor:
        return super().logits(self.dropout(outputs), z)
