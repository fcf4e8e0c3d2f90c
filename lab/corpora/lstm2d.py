"""Sequences of a random LSTM driven by a 2-D latent, whose likelihood and posterior are computable.

A set regenerated in the manner of He et al. 2019, "Lagging Inference Networks and Posterior
Collapse in Variational Autoencoders" (z from four Gaussians, a fixed random LSTM, sequences of
length 10). It is not their archive: weights, sizes and the first word differ.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from lab.errors import UserError

from .corpus import SPLITS, Corpus, Split
from .latent_grid import MEANS, Grid, Posterior
from .random_lstm import RandomLstm
from .vocabulary import SPECIALS, Vocabulary

NEGLIGIBLE = 25.0  # nats below the peak; what lies deeper is left out of the quadrature
SENTENCES, PAIRS = 64, 2048  # quadrature in blocks that fit the cache


@dataclass(frozen=True, eq=False)
class Lstm2dCorpus(Corpus):
    """Sequences labelled with their true mixture component and latent (z1, z2).

    `rows` are N sentences as word numbers of the vocabulary, without <s> and </s>. Integrals over z
    are sums over grid x grid nodes on [-8, 8] squared: at 81 the error is below 1e-5 nats (more
    hidden units need a finer grid). Only nodes within 25 nats of the peak of p(x, z) are visited,
    which costs some 2000 LSTM passes a sentence.
    """

    lstm: RandomLstm = field(kw_only=True)
    length: int = field(kw_only=True)

    def log_likelihood(self, rows: Sequence[Sequence[int]], grid: int = 81) -> np.ndarray:
        """Return log p(x) [N] in nats, the end included; -inf for what the LSTM cannot write."""
        possible = np.array([self._is_possible(row) for row in rows], bool)
        found = np.full(len(possible), -np.inf)
        kept = [row for row, ok in zip(rows, possible, strict=True) if ok]
        sums = [torch.logsumexp(joint, 1) for joint in self._log_joint(kept, Grid.of(grid))]
        found[possible] = torch.cat(sums).numpy() if sums else []
        return found

    def posterior(self, rows: Sequence[Sequence[int]], grid: int = 81) -> Posterior:
        """Moments and entropy of p(z | x); raises UserError for what the LSTM cannot write."""
        lattice = Grid.of(grid)
        blocks = [lattice.moments(joint) for joint in self._log_joint(self._checked(rows), lattice)]
        return Posterior(*map(np.concatenate, zip(*blocks, strict=True)))

    def posterior_grid(
        self, rows: Sequence[Sequence[int]], grid: int = 81
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nodes [G, 2], z1 outer and z2 inner, and p(node | x) [N, G] that sums to 1 over them."""
        lattice = Grid.of(grid)
        weights = [joint.softmax(1) for joint in self._log_joint(self._checked(rows), lattice)]
        return lattice.nodes.numpy(), torch.cat(weights).numpy()

    def mutual_information(
        self, rows: Sequence[Sequence[int]], grid: int = 81
    ) -> tuple[float, float]:
        """Return I(x; z) = H(z) - E H(z | x) in nats, and its standard error over the rows."""
        lattice = Grid.of(grid)
        _, _, prior = lattice.moments(lattice.log_mass[None])
        information = prior - self.posterior(rows, grid).entropy
        stderr = information.std(ddof=1) / math.sqrt(len(information))
        return float(information.mean()), float(stderr)

    def _is_possible(self, row: Sequence[int]) -> bool:
        ids = np.asarray(row)
        return len(ids) == self.length and bool(((ids >= 4) & (ids < len(self.vocabulary))).all())

    def _checked(self, rows: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
        for i, row in enumerate(rows):
            if not self._is_possible(row):
                raise UserError(
                    f"row {i} is no sentence of lstm2d; give {self.length} words, no <s> or </s>"
                )
        return rows

    def _log_joint(self, rows: Sequence[Sequence[int]], grid: Grid) -> Iterator[torch.Tensor]:
        """Blocks of log p(x, z) + log cell area, [n, G]; -inf at nodes left out as negligible."""
        for start in range(0, len(rows), SENTENCES):
            ids = np.stack(rows[start : start + SENTENCES]).astype(np.int64)
            x = torch.from_numpy(ids - len(SPECIALS))
            joint = torch.full((len(x), len(grid.nodes)), -math.inf, dtype=torch.float64)
            coarse = torch.zeros(joint.shape, dtype=torch.bool)
            coarse[:, grid.centre] = True
            self._fill(joint, coarse, x, grid)
            near = joint[:, grid.centre] > joint.amax(1, keepdim=True) - NEGLIGIBLE
            self._fill(joint, near & ~coarse, x, grid)
            yield joint

    def _fill(self, joint: torch.Tensor, where: torch.Tensor, x: torch.Tensor, grid: Grid) -> None:
        for pairs in where.nonzero().split(PAIRS):
            row, node = pairs.T
            log_p = self.lstm.log_likelihood(x[row], grid.nodes[node])
            joint[row, node] = log_p + grid.log_mass[node]


def generate(
    *,
    sentences: int = 4000,
    valid: int = 500,
    test: int = 500,
    length: int = 10,
    word_types: int = 200,
    hidden: int = 32,
    seed: int = 0,
) -> Lstm2dCorpus:
    """Draw the LSTM and then the three splits, each from its own stream of the seed.

    He et al. use 16000, 2000 and 2000 sentences, 1000 word types and 100 hidden units.
    """
    lstm_stream, *streams = np.random.default_rng(seed).spawn(1 + len(SPLITS))
    lstm = RandomLstm.draw(word_types, hidden, lstm_stream)
    vocabulary = Vocabulary.of(f"w{i}" for i in range(word_types))
    drawn = zip(SPLITS, (sentences, valid, test), streams, strict=True)
    splits = {name: _split(lstm, n, length, stream) for name, n, stream in drawn}
    return Lstm2dCorpus("lstm2d", vocabulary, splits, lstm=lstm, length=length)


def _split(lstm: RandomLstm, n: int, length: int, generator: np.random.Generator) -> Split:
    component = generator.integers(len(MEANS), size=n)
    z = MEANS.numpy()[component] + generator.standard_normal((n, 2))
    words = lstm.sample(torch.from_numpy(z), length, generator).numpy()
    labels = {"component": component, "z1": z[:, 0], "z2": z[:, 1]}
    return Split.of(words.ravel() + len(SPECIALS), np.full(n, length), labels)
