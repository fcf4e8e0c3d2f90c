"""The two ends of a path: what the reader asked for, and the codes that each run has for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.explorer import text
from apps.explorer.ellipse import two_of
from apps.explorer.paths import pairs
from apps.explorer.places import Places, signed
from apps.explorer.state import State
from apps.explorer.view import categories
from lab import holes
from lab.corpora.vocabulary import MARKS, UNKNOWN
from lab.errors import UserError
from lab.metrics import to_sphere
from lab.runs import Run


@dataclass(frozen=True)
class Points:
    """Two places on the map of one run: codes z [2, D], and in words where they are."""

    run: str
    z: np.ndarray
    words: str


@dataclass(frozen=True)
class Asked:
    """Sentences a and b; with `points`, those that lie nearest to them in the run of the map."""

    a: str
    b: str
    points: Points | None = None


@dataclass(frozen=True)
class Ends:
    """Codes z [2, D] of A and B in one run, and what its reader must know of them."""

    z: np.ndarray
    notes: tuple[str, ...] = ()


def sentences(state: State, chosen: Sequence[Run]) -> tuple[str, str]:
    """The two sentences asked for; without any, the first pair that the runs stored."""
    if state.a or state.b:
        return " ".join(state.a.split()), " ".join(state.b.split())
    stored = pairs(chosen)
    return stored[0] if stored else ("", "")


def asked(places: Places, state: State, chosen: Sequence[Run]) -> Asked:
    """What the path leads from and to. UserError if a point lies where no code is."""
    if state.pa is None or state.pb is None or state.on not in {run.id for run in chosen}:
        return Asked(*sentences(state, chosen))
    run = places.view.find(state.on)
    epoch = dump(places, run)
    latents, dims = places.latents(run, epoch), _dimensions(places, run, state)
    z = np.stack([_fill(latents, dims, at, state.fill) for at in (state.pa, state.pb)])
    rows = [int(holes.distances(latents, code).argmin()) for code in z]
    near = [run.items["text"][row] for row in rows]
    return Asked(*near, Points(run.id, z, _words(run, state, dims, near, latents.dimensions)))


def _fill(latents: Any, dims: tuple[int, int], at: tuple[float, float], how: str) -> np.ndarray:
    return holes.fill(latents, two_of(latents, dims), at, how)[0]


def _dimensions(places: Places, run: Run, state: State) -> tuple[int, int]:
    first, second = places.view.dims(run, state.x, state.y)
    return first, second


def _words(run: Run, state: State, dims: tuple[int, int], near: Sequence[str], width: int) -> str:
    names = [text.dimension(d) for d in dims]
    a, b = (f"({signed(at[0], 2)}, {signed(at[1], 2)})" for at in (state.pa, state.pb) if at)
    others = width - len(set(dims))
    filled = f", the other {others} coordinates {_FILLED[state.fill]}" if others else ""
    return (
        f"A {a} and B {b} are points ({', '.join(names)}) of the map of {run.label}{filled}. "
        f"They exist in that run alone; the others go between its sentences nearest to them: "
        f"A “{text.shortened(near[0], 80)}”, B “{text.shortened(near[1], 80)}”."
    )


_FILLED = {
    "nearest": "those of the code nearest in these two",
    "zeros": "zero",
    "prior": "those of a prior draw",
}


def dump(places: Places, run: Run) -> int:
    """The dump of the model that decodes, or the last one before it."""
    return places.view.dumped_epoch(run, run.best_epoch)


def ends(places: Places, run: Run, wanted: Asked) -> Ends:
    """Codes of both ends: the points themselves, codes of dumped items, or encoded now."""
    if wanted.points is not None and wanted.points.run == run.id:
        return Ends(wanted.points.z)
    known = _dumped(places, run, (wanted.a, wanted.b))
    if known is not None:
        return known
    if categories(run):
        names = ", ".join(run.items["text"].unique(maintain_order=True).head(4).to_list())
        raise UserError(f"This run tells categories apart; pick two of its items: {names}, …")
    with places.decoder.model(run) as model:
        return Ends(_encode(model, [wanted.a, wanted.b]), _unknown(model, wanted))


def _dumped(places: Places, run: Run, texts: tuple[str, str]) -> Ends | None:
    """The mean code of the items that are these texts; None where one of them was not dumped."""
    epoch = dump(places, run)
    at_best = epoch == run.best_epoch or run.best_epoch is None
    column = run.items["text"]
    rows = [(column == t).arg_true().to_numpy() for t in texts]
    # A model of another epoch encodes them anew, if it can.
    if not (at_best or categories(run)) or not all(map(len, rows)):
        return None
    latents = places.view.latents(run, epoch)
    z = np.stack([latents.mean[r].mean(axis=0, dtype=float) for r in rows])
    notes = () if at_best else (f"Codes of {run.time(epoch)}, the last dump before that model.",)
    return Ends(to_sphere(z) if latents.family == "vmf" else z, notes)


def _encode(model: Any, texts: list[str]) -> np.ndarray:
    try:
        return np.asarray(model.encode(texts), float)
    except RuntimeError as error:  # torch's word for arrays that do not fit
        raise UserError("The checkpoint does not fit its vocabulary; train it anew.") from error


def _unknown(model: Any, wanted: Asked) -> tuple[str, ...]:
    """One line for each end that has words which this run reads as <unk>."""
    lines = []
    for name, words in (("A", wanted.a.split()), ("B", wanted.b.split())):
        strange = unknown_words(model.vocabulary, words)
        if strange:
            listed = ", ".join(f"“{w}”" for w in dict.fromkeys(strange))
            share = f"{len(strange)} of {len(words)} words of {name}"
            lines.append(f"Unknown to this run, {share}: {text.shortened(listed, 80)}")
    return tuple(lines)


def unknown_words(vocabulary: Any, words: Sequence[str]) -> list[str]:
    """The words that a vocabulary lacks; marks such as <unk> itself are none of them."""
    numbers = vocabulary.encode(words)
    return [w for w, n in zip(words, numbers, strict=True) if n == UNKNOWN and w not in MARKS]
