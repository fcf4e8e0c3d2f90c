"""The papers' pictures and tables, drawn from run folders."""

from figures.draw import FIGURES, draw

__all__ = ["FIGURES", "draw"]
