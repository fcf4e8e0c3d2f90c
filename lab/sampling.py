"""A density fitted to a trained model's codes, for methods whose prior is no place to sample from
(RAE, Ghosh et al. 2020, section 4).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch

from lab import checkpoint

CODE_DENSITY = "codes.safetensors"  # beside the weights it belongs to
COMPONENTS = {"gaussian": 1, "mixture": 10}  # Ghosh et al. 2020 use ten


@dataclass(frozen=True)
class CodeDensity:
    """A mixture of Gaussians over codes: weights [C], means [C, D], covariances [C, D, D]."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def fit(cls, codes: np.ndarray, kind: Literal["gaussian", "mixture"]) -> Self:
        """By maximum likelihood to codes [N, D]; fewer components where codes are few."""
        from sklearn.mixture import GaussianMixture

        distinct = len(np.unique(codes, axis=0))
        components = min(COMPONENTS[kind], max(1, distinct // (2 * codes.shape[1])))
        mixture = GaussianMixture(components, reg_covar=1e-6, random_state=0)
        fitted = mixture.fit(codes.astype(np.float64))
        return cls(fitted.weights_, fitted.means_, fitted.covariances_)

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """Codes [count, D]."""
        rng = np.random.default_rng(seed)
        component = rng.choice(len(self.weights), count, p=self.weights / self.weights.sum())
        roots = np.linalg.cholesky(self.covariances)[component]
        noise = rng.standard_normal((count, self.means.shape[1]))
        return self.means[component] + np.einsum("nij,nj->ni", roots, noise)

    def save(self, path: Path) -> None:
        checkpoint.save(path, {k: torch.as_tensor(v) for k, v in vars(self).items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises UserError for a missing or truncated file."""
        tensors, _ = checkpoint.load(path)
        return cls(**{name: tensor.numpy() for name, tensor in tensors.items()})
