"""What a toy's model says of every point of the latent plane, for pictures."""

import numpy as np
import torch
from torch import Tensor

from lab.model import Model

NODES = 64
LEAST = 4.0  # half-width of the smallest grid
MARGIN = 1.1


def fields(model: Model, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Decision regions of a decoder of K categories and the critic's values on a grid over draws
    [N, 2].

    Keys: limit [1], half-width of the grid of 64 x 64 nodes; regions, the most probable category,
    and confidence, its share of all categories' probability, both [y, x]; critic [C, y, x] of a
    method with an opponent, one field per category where it reads x, else one.
    """
    limit = max(LEAST, MARGIN * float(np.quantile(np.abs(draws), 0.99)))
    axis = torch.linspace(-limit, limit, NODES)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    nodes = torch.stack([x, y], -1).reshape(-1, 2)
    probabilities = model.decoder.probabilities(nodes)
    share, region = (probabilities / probabilities.sum(-1, keepdim=True)).max(-1)
    found = {"limit": torch.tensor([limit]), "regions": _square(region.short())}
    found["confidence"] = _square(share)
    if opponents := model.critics():
        found["critic"] = _critic(opponents[0], nodes, probabilities.shape[-1])
    return {name: values.numpy() for name, values in found.items()}


def _critic(opponent: torch.nn.Module, nodes: Tensor, categories: int) -> Tensor:
    """The opponent's values at the nodes [C, y, x], of one category if they do not depend on it."""
    values = []
    for row in torch.eye(categories):
        values.append(_square(opponent.opponent(row.expand(len(nodes), -1), nodes)))
        if len(values) == 2 and torch.equal(*values):
            return values[0].unsqueeze(0)
    return torch.stack(values)


def _square(values: Tensor) -> Tensor:
    return values.reshape(NODES, NODES)
