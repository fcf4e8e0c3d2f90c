"""LSTM text encoder and decoder of the two published code families.

Both read z at every step. Family H (lagging, BN-VAE, DG-VAE) starts the decoder at c = W z, h =
tanh(c) without biases; family K (SA-VAE, iVAE, clVAE) at h = W z + b, c = 0 (D10).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lab.corpora.batches import TextBatch
from lab.corpora.vocabulary import BOS, EOS
from lab.model import Augmentation, Reading
from lab.posteriors import Sizes


@dataclass(frozen=True)
class LSTMNetwork:
    """Sizes of the text networks.

    `start` is the decoder's initial state, `init` the range of uniform weights.
    """

    kind: ClassVar[str] = "lstm"

    vocabulary: int
    embedding: int = 256
    hidden: int = 256
    latent: int = 32
    dropout: float = 0.5
    start: Literal["cell", "hidden"] = "cell"
    init: float = 0.01
    critic_widths: tuple[int, ...] = (512, 512, 512)

    def sizes(self) -> Sizes:
        return Sizes(
            features=self.hidden,
            latent=self.latent,
            outputs=self.vocabulary,
            critic_widths=tuple(self.critic_widths),
            head_bias=self.start == "hidden",
        )

    def encoder(self, augmentation: Augmentation) -> nn.Module:
        """The encoder, with noise on its words in training (the two views of clVAE)."""
        return LSTMEncoder(self, augmentation.dropout)

    def decoder(self, latent: int, reading: Reading) -> nn.Module:
        """The decoder of codes [B, latent]."""
        return LSTMDecoder(self, latent)

    def initialise(self, module: nn.Module) -> None:
        """U(-init, init) for weights, U(-0.1, 0.1) for embeddings, as in both families (D15)."""
        for name, parameter in module.named_parameters():
            bound = 0.1 if "embedding" in name else self.init
            nn.init.uniform_(parameter, -bound, bound)


class LSTMEncoder(nn.Module):
    """Last hidden state over `<s> w1 .. wn </s>`: batch -> h [B, H]."""

    def __init__(self, network: LSTMNetwork, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(network.vocabulary, network.embedding)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(network.embedding, network.hidden, batch_first=True)

    def forward(self, batch: TextBatch) -> Tensor:
        outputs, _ = self.lstm(self.dropout(self.embedding(batch.tokens)))
        return outputs[torch.arange(batch.size, device=outputs.device), batch.lengths]


class LSTMDecoder(nn.Module):
    """p(x|z) by teacher forcing, and greedy or sampled decoding."""

    def __init__(self, network: LSTMNetwork, latent: int) -> None:
        super().__init__()
        hidden = network.hidden
        self.latent, self.hidden = latent, hidden
        self.from_cell = network.start == "cell"
        self.embedding = nn.Embedding(network.vocabulary, network.embedding)
        self.dropout = nn.Dropout(network.dropout)
        self.start = nn.Linear(latent, hidden, bias=not self.from_cell) if latent else None
        self.lstm = nn.LSTM(network.embedding + latent, hidden, batch_first=True)
        self.output = nn.Linear(hidden, network.vocabulary, bias=not self.from_cell)

    def initial(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The LSTM's state (h, c), each [1, B, H], before the first word."""
        zeros = z.new_zeros(1, len(z), self.hidden)
        if self.start is None:
            return zeros, zeros
        projected = self.start(z).unsqueeze(0)
        return (projected.tanh(), projected) if self.from_cell else (projected, zeros)

    def nll(self, batch: TextBatch, z: Tensor) -> Tensor:
        """-log p(x|z) [B] in nats, end mark counted; only real tokens are projected."""
        words = self.dropout(self.embedding(batch.inputs))
        inputs = torch.cat([words, z.unsqueeze(1).expand(-1, words.shape[1], -1)], -1)
        outputs, _ = self.lstm(inputs, self.initial(z))
        steps = torch.arange(words.shape[1], device=z.device)
        real = steps < batch.lengths.unsqueeze(1)
        logits = self.output(self.dropout(outputs[real]))
        losses = cross_entropy(logits, batch.targets[real], reduction="none")
        row = real.nonzero(as_tuple=True)[0]
        return z.new_zeros(batch.size).index_add(0, row, losses)

    @torch.no_grad()
    def sample(
        self,
        z: Tensor,
        greedy: bool = True,
        max_length: int = 100,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Token ids [B, L] from codes z [B, D]; rows end at their first end mark."""
        token = torch.full((len(z), 1), BOS, device=z.device)
        state, ended, tokens = self.initial(z), torch.zeros_like(token, dtype=torch.bool), []
        for _ in range(max_length):
            inputs = torch.cat([self.embedding(token), z.unsqueeze(1)], -1)
            outputs, state = self.lstm(inputs, state)
            logits = self.output(outputs[:, 0])
            token = (
                logits.argmax(-1, keepdim=True)
                if greedy
                else torch.multinomial(logits.softmax(-1), 1, generator=generator)
            )
            tokens.append(token.masked_fill(ended, EOS))
            ended |= token == EOS
            if ended.all():
                break
        return torch.cat(tokens, 1)
