"""A fixed random LSTM that writes sequences of a fixed length driven by a vector z."""

from dataclasses import dataclass

import numpy as np
import torch

State = tuple[torch.Tensor, torch.Tensor]
SCALES = {"output": 1.0, "skip": 2.0}


@dataclass(frozen=True, eq=False)
class RandomLstm:
    """Weights (float64, CPU) of p(x | z): V word types, H hidden units, z of two dimensions.

    The cell starts at A z and the hidden state at tanh(A z); z also enters every step and the
    logits.
    """

    initial: torch.Tensor  # [2, H]
    words: torch.Tensor  # [V + 1, 4H] what each word adds to the gates; the last row is the start
    latent: torch.Tensor  # [2, 4H]
    recurrent: torch.Tensor  # [H, 4H]
    output: torch.Tensor  # [H, V]
    skip: torch.Tensor  # [2, V]

    @classmethod
    def draw(cls, vocabulary: int, hidden: int, generator: np.random.Generator) -> "RandomLstm":
        """Weights uniform on [-s, s]: s = 1 from state to logits, 2 from z to logits, else 1/2.

        So z decides much of every word while p(x | z) stays smooth enough for quadrature.
        """
        shapes = {
            "initial": (2, hidden),
            "words": (vocabulary + 1, 4 * hidden),
            "latent": (2, 4 * hidden),
            "recurrent": (hidden, 4 * hidden),
            "output": (hidden, vocabulary),
            "skip": (2, vocabulary),
        }
        weights = {
            name: SCALES.get(name, 0.5) * generator.uniform(-1, 1, shape)
            for name, shape in shapes.items()
        }
        return cls(**{name: torch.from_numpy(values) for name, values in weights.items()})

    def start(self, z: torch.Tensor) -> State:
        """Hidden state and cell before the first word, [B, H] each, from z [B, 2]."""
        cell = z @ self.initial
        return torch.tanh(cell), cell

    def step(self, word: torch.Tensor, z: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Return log p(next word | word, state, z) [B, V] in nats, and the next state."""
        hidden, cell = state
        gates = self.words[word] + z @ self.latent + hidden @ self.recurrent
        forget, write, read, candidate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(write) * torch.tanh(candidate)
        hidden = torch.sigmoid(read) * torch.tanh(cell)
        return torch.log_softmax(hidden @ self.output + z @ self.skip, dim=1), (hidden, cell)

    def log_likelihood(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) [B] in nats of words x [B, L] in 0..V-1 given z [B, 2]."""
        word, state, total = self._before(z), self.start(z), torch.zeros(len(z), dtype=z.dtype)
        for following in x.T:
            log_p, state = self.step(word, z, state)
            total += log_p.gather(1, following[:, None])[:, 0]
            word = following
        return total

    def sample(self, z: torch.Tensor, length: int, generator: np.random.Generator) -> torch.Tensor:
        """Words [B, length] drawn given z [B, 2], by inverting the distribution function."""
        word, state, written = self._before(z), self.start(z), []
        for _ in range(length):
            log_p, state = self.step(word, z, state)
            cumulative = log_p.exp().cumsum(1)
            u = torch.from_numpy(generator.random((len(z), 1))) * cumulative[:, -1:]
            word = torch.searchsorted(cumulative, u, right=True)[:, 0]
            written.append(word)
        return torch.stack(written, dim=1)

    def _before(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full((len(z),), len(self.words) - 1)
