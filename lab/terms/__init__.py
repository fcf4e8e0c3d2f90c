"""The terms of the methods' losses, one idea each."""

from lab.terms.contrast import InfoNCE
from lab.terms.decay import CodeNorm, DecoderNorm
from lab.terms.density_gap import DensityGap
from lab.terms.discrepancy import MMD, Adversary
from lab.terms.dual import DualKL
from lab.terms.entropy import MomentumEntropy, NearestNeighbourEntropy
from lab.terms.information import MutualInformation
from lab.terms.kl import KL
from lab.terms.words import BagOfWords

__all__ = [
    "KL", "MMD", "Adversary", "BagOfWords", "CodeNorm", "DecoderNorm", "DensityGap", "DualKL",
    "InfoNCE", "MomentumEntropy", "MutualInformation", "NearestNeighbourEntropy",
]  # fmt: skip
