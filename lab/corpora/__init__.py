"""Text as numbered sentences: from folders, ready-made, or synthetic with known truth."""

from .catalogue import load, names
from .corpus import Corpus, Split
from .vocabulary import Vocabulary

__all__ = ["Corpus", "Split", "Vocabulary", "load", "names"]
