"""The mixture prior of `lstm2d` and a grid for quadrature over its 2-D latent."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from lab.errors import UserError

MEANS = torch.tensor([[-2.0, -2.0], [-2.0, 2.0], [2.0, -2.0], [2.0, 2.0]], dtype=torch.float64)
LIMIT = 8.0  # the grid reaches six standard deviations beyond the means


def log_prior(z: torch.Tensor) -> torch.Tensor:
    """Return log p(z) [B] in nats of z [B, 2]: four unit Gaussians with equal weights."""
    squared = (z[:, None] - MEANS).square().sum(-1)
    return torch.logsumexp(-0.5 * squared, 1) - math.log(2 * math.pi * len(MEANS))


@dataclass(frozen=True, eq=False)
class Posterior:
    """Moments of p(z | x): mean [N, 2], covariance [N, 2, 2], entropy [N] in nats."""

    mean: np.ndarray
    covariance: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True, eq=False)
class Grid:
    """Nodes of a square grid over z and what its quadrature needs."""

    nodes: torch.Tensor  # [G, 2]
    log_mass: torch.Tensor  # [G] log of prior density times cell area
    centre: torch.Tensor  # [G] for every node, the middle node of its block of 3 x 3
    log_area: float

    @classmethod
    def of(cls, size: int) -> "Grid":
        """Grid of size x size nodes to LIMIT; raises UserError unless size is a multiple of 3."""
        if size < 3 or size % 3:
            raise UserError(f"grid={size} is not a positive multiple of 3; give 81, say")
        axis = torch.linspace(-LIMIT, LIMIT, size, dtype=torch.float64)
        nodes = torch.cartesian_prod(axis, axis)
        log_area = 2 * math.log(2 * LIMIT / (size - 1))
        middle = torch.arange(size) // 3 * 3 + 1
        centre = (middle[:, None] * size + middle).flatten()
        return cls(nodes, log_prior(nodes) + log_area, centre, log_area)

    def moments(self, joint: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, covariance and entropy (nats) of n densities given as log mass per node [n, G]."""
        weights = joint.softmax(1)
        mean = weights @ self.nodes
        squares = self.nodes[:, :, None] * self.nodes[:, None, :]
        second = torch.einsum("ng,gij->nij", weights, squares)
        covariance = second - mean[:, :, None] * mean[:, None, :]
        entropy = self.log_area + torch.special.entr(weights).sum(1)
        return mean.numpy(), covariance.numpy(), entropy.numpy()
