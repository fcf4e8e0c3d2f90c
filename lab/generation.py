"""A trained run put back to work: encode, decode, sample, interpolate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from lab import checkpoint, interpolation
from lab.backbones import build_model, network_from
from lab.corpora.batches import make_batch
from lab.corpora.corpus import Split
from lab.corpora.vocabulary import Vocabulary
from lab.errors import UserError
from lab.evaluation import evaluating, posterior_arrays
from lab.methods import parse
from lab.model import Model
from lab.runs import Run
from lab.sampling import CODE_DENSITY, CodeDensity

MAX_WORDS = 200  # longest text that is encoded


def load_model(run: Run) -> Model:
    """The run's model at its best epoch. Raises UserError if the run has no checkpoint."""
    weights = run.folder / "checkpoints" / "best.safetensors"
    if not weights.exists():
        raise UserError(f"{run.id}: no checkpoint, so it can neither encode nor decode")
    model = build_model(parse(run.spec).parts(), network_from(run.info["settings"]["network"]))
    checkpoint.load_weights(weights, model)
    return model


def load(run: Run) -> "Generator":
    """The run's model with what it decodes by.

    Raises UserError if the run has no checkpoint or no latent space.
    """
    model = load_model(run)
    if "latent" not in run.info:
        raise UserError(f"{run.id}: {run.label} has no latent space to decode from")
    words, codes = (run.folder / "checkpoints" / n for n in ("vocabulary.txt", CODE_DENSITY))
    return Generator(
        model,
        Vocabulary.load(words) if words.exists() else None,
        CodeDensity.load(codes) if codes.exists() else None,
        parse(run.spec).parts().sampling == "prior",
    )


@dataclass
class Generator:
    """A loaded model.

    Without a vocabulary its items are categories, which decode but are not typed. With a density of
    codes it samples from that, otherwise, if `from_prior`, from the prior.
    """

    model: Model
    vocabulary: Vocabulary | None
    codes: CodeDensity | None = None
    from_prior: bool = True

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Posterior means [N, D] of sentences; implicit posteriors by the mean of their draws.

        Raises UserError for empty text, for more than 200 words and for a run of categories.
        """
        if self.vocabulary is None:
            raise UserError("a toy run encodes categories, not text; pick two of its items")
        words = [text.split() for text in texts]
        for text, split in zip(texts, words, strict=True):
            if not 0 < len(split) <= MAX_WORDS:
                raise UserError(f"{text[:40]!r} has {len(split)} words; give 1 to {MAX_WORDS}")
        ids = np.concatenate([self.vocabulary.encode(w) for w in words])
        batch = make_batch(Split.of(ids, [len(w) for w in words], {}), np.arange(len(words)))
        with evaluating(self.model):
            return posterior_arrays(self.model.head.family, self.model.infer(batch).q)["mean"]

    def decode(
        self, z: np.ndarray, greedy: bool = True, seed: int = 0, max_length: int = 100
    ) -> list[str]:
        """Texts of codes z [N, D]."""
        generator = torch.Generator().manual_seed(seed)
        with evaluating(self.model):
            return interpolation.decode(
                self.model, self._text, z, greedy=greedy, max_length=max_length, generator=generator
            )

    def sample(self, count: int, seed: int = 0, greedy: bool = True) -> list[str]:
        """Texts of `count` draws from the prior, or from the density of codes, the same draws
        however they are decoded.

        Raises UserError if that density is still to be fitted.
        """
        if self.codes is not None:
            return self.decode(self.codes.sample(count, seed), greedy, seed)
        if not self.from_prior:
            raise UserError("this method samples from a density fitted when training has finished")
        shape = (count, self.model.decoder.latent)
        generator = torch.Generator().manual_seed(seed)
        z = self.model.head.prior.sample(shape, generator=generator).numpy()
        return self.decode(z, greedy, seed)

    def interpolate(
        self, a: str, b: str, steps: int = interpolation.STEPS
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Weights [L], codes [L, D] and texts on the straight path between two sentences' means."""
        return self.between(*self.encode([a, b]), steps=steps)

    def between(
        self, a: np.ndarray, b: np.ndarray, steps: int = interpolation.STEPS
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The same between two codes [D]."""
        weights, z = interpolation.path(a, b, steps, self.model.head.family)
        return weights, z, self.decode(z)

    @cached_property
    def _text(self) -> Callable[[torch.Tensor], str]:
        if self.vocabulary is None:
            return category_text
        return lambda ids: self.vocabulary.text(ids.tolist())


def category_text(ids: torch.Tensor) -> str:
    """A decoded category in words."""
    return f"category {int(ids[0])}"
