"""Clipping: over everything together, or each network by itself."""

import math

import pytest
import torch

from lab.backbones import build_model
from lab.methods import parse
from lab.optimise import Optimisers, parameters
from lab.settings import Settings

CLIP = 1e-3


def stepped(text_data, text_network, **given) -> tuple[float, float]:
    """How far one plain SGD step moves inference and generative network."""
    torch.manual_seed(0)
    model = build_model(parse("vae(start=1)").parts(), text_network).train()
    chosen = Settings(optimiser="sgd", clip=CLIP, **given)
    optimisers = Optimisers(model, chosen, lr=1.0)
    sides = [parameters(side) for side in model.sides()]
    before = [[p.clone() for p in side] for side in sides]
    for update in model.updates(next(iter(text_data.train(1))), 1.0, None):
        optimisers.apply(update)
    return tuple(distance(side, old) for side, old in zip(sides, before, strict=True))


def distance(new: list[torch.Tensor], old: list[torch.Tensor]) -> float:
    pairs = zip(new, old, strict=True)
    return math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs))


def test_one_norm_over_both_networks(text_data, text_network):
    moved = stepped(text_data, text_network)
    assert math.hypot(*moved) == pytest.approx(CLIP, rel=1e-2)
    assert max(moved) > 1.5 * min(moved)


def test_each_network_has_its_own_norm_when_asked(text_data, text_network):
    assert stepped(text_data, text_network, clip_each=True) == pytest.approx((CLIP, CLIP), rel=1e-2)
