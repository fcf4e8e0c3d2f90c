"""The terms of the methods' losses, one idea each."""

from lab.terms.contrast import InfoNCE
from lab.terms.density_gap import DensityGap
from lab.terms.dual import DualKL
from lab.terms.kl import KL

__all__ = ["KL", "DensityGap", "DualKL", "InfoNCE"]
