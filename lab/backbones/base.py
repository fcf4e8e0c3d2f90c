"""What all text encoders and decoders share, whatever computes their outputs.

Shapes: B sentences, T symbols, H outputs of the network, D latent dimensions, V words.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lab.backbones.noise import drop_words, swap_words
from lab.corpora.batches import TextBatch
from lab.corpora.vocabulary import BOS, EOS
from lab.model import Augmentation, Reading

if TYPE_CHECKING:
    from lab.backbones.text import TextNetwork


class TextEncoder(nn.Module):
    """`<s> w1 .. wn </s>` as vectors, with noise in training; a subclass reads them."""

    def __init__(self, network: "TextNetwork", augmentation: Augmentation) -> None:
        super().__init__()
        self.embedding = nn.Embedding(network.vocabulary, network.embedding)
        self.dropout = nn.Dropout(augmentation.dropout)
        self.swap = augmentation.swap

    def words(self, batch: TextBatch) -> Tensor:
        """Embeddings of all symbols [B, T, E]."""
        noisy = self.training and self.swap
        tokens = swap_words(batch.tokens, batch.lengths, self.swap) if noisy else batch.tokens
        return self.dropout(self.embedding(tokens))


class TextDecoder(nn.Module):
    """p(x|z) by teacher forcing, and greedy or sampled decoding.

    A subclass has an `output` layer and says how its state starts (`initial`) and how it reads on
    from one (`read`).
    """

    output: nn.Linear
    longest: ClassVar[int | None] = None

    def __init__(self, network: "TextNetwork", latent: int, reading: Reading) -> None:
        super().__init__()
        self.latent, self.hidden = latent, network.hidden
        self.word_dropout, self.skip = reading.word_dropout, reading.skip
        self.embedding = nn.Embedding(network.vocabulary, network.embedding)
        self.dropout = nn.Dropout(network.dropout)

    def initial(self, z: Tensor) -> Any:
        """The state before <s>, from codes z [B, D]."""
        raise TypeError(f"{type(self).__name__} does not say how its state starts")

    def read(self, tokens: Tensor, z: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Outputs [B, T, H] for the next symbols [B, T] after a state, and the state after them."""
        raise TypeError(f"{type(self).__name__} does not say how it reads")

    def outputs_read(self) -> int:
        """Width of what the output layer reads: with `skip`, z too."""
        return self.hidden + self.latent * self.skip

    def logits(self, outputs: Tensor, z: Tensor) -> Tensor:
        """Scores [N, V] of the word that follows, from outputs [N, H] and their codes [N, D]."""
        return self.output(torch.cat([outputs, z], -1) if self.skip else outputs)

    def nll(self, batch: TextBatch, z: Tensor) -> Tensor:
        """-log p(x|z) [B] in nats, end mark counted; only real tokens are projected."""
        noisy = self.training and self.word_dropout
        tokens = drop_words(batch.inputs, self.word_dropout) if noisy else batch.inputs
        outputs, _ = self.read(tokens, z, self.initial(z))
        row, targets = batch.symbols()
        logits = self.logits(outputs[batch.real], z[row])
        losses = cross_entropy(logits, targets, reduction="none")
        return z.new_zeros(batch.size).index_add(0, row, losses)

    @torch.no_grad()
    def sample(
        self,
        z: Tensor,
        greedy: bool = True,
        max_length: int = 100,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Token ids [B, L] from codes z [B, D], never with dropout; rows end at their first end
        mark, all at the longest sentence that the network reads.
        """
        mode = self.training
        self.eval()
        try:
            return self._sample(z, greedy, min(max_length, self.longest or max_length), generator)
        finally:
            self.train(mode)

    def _sample(
        self, z: Tensor, greedy: bool, length: int, generator: torch.Generator | None
    ) -> Tensor:
        token = torch.full((len(z), 1), BOS, device=z.device)
        state, ended, tokens = self.initial(z), torch.zeros_like(token, dtype=torch.bool), []
        for _ in range(length):
            outputs, state = self.read(token, z, state)
            logits = self.logits(outputs[:, 0], z)
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
