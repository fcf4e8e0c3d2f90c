"""Posteriors q(z|x) and the heads that turn encoder features into them."""

from lab.posteriors.base import (
    Head,
    NoLatent,
    Point,
    Sizes,
    StandardNormal,
    mlp,
)
from lab.posteriors.gaussian import (
    BatchNormHead,
    CommittedRateHead,
    DiagonalGaussian,
    GaussianHead,
)
from lab.posteriors.implicit import ImplicitHead, LinearPushForward, PushForward
from lab.posteriors.normalised import NormalisedHead
from lab.posteriors.point import PointHead
from lab.posteriors.vmf import UniformSphere, VonMisesFisher, VonMisesFisherHead

__all__ = [
    "BatchNormHead", "CommittedRateHead", "DiagonalGaussian", "GaussianHead", "Head",
    "ImplicitHead", "LinearPushForward", "NoLatent", "NormalisedHead", "Point", "PointHead",
    "PushForward", "Sizes", "StandardNormal", "UniformSphere", "VonMisesFisher",
    "VonMisesFisherHead", "mlp",
]  # fmt: skip
