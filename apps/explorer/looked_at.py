"""The code that a view looks at in each run: a prior draw, or a point of a map, filled up."""

from dataclasses import dataclass

import numpy as np

from apps.explorer import item, text
from apps.explorer.ellipse import two_of
from apps.explorer.places import Places, signed
from apps.explorer.planes import Planes
from apps.explorer.projection_axis import TEXT_AXES, Texts
from apps.explorer.state import State, pair_of, reference_of
from apps.explorer.view import View
from lab import holes
from lab.errors import UserError
from lab.runs import Latents, Run

Names = tuple[str, str]


@dataclass(frozen=True)
class Code:
    """A code z [D] and in words where it comes from."""

    z: np.ndarray
    words: str


class LookedAt:
    """The code looked at, in any run: each has axes of its own."""

    def __init__(self, view: View) -> None:
        self.view, self.places = view, view.shared(Places)
        self._planes, self._texts = view.shared(Planes), view.shared(Texts)

    def code(self, run: Run, epoch: int, state: State) -> Code | None:
        """None where the state looks at nothing. UserError off a sphere, or without those axes."""
        latents = self.places.latents(run, epoch)
        if state.draw is not None and state.draw < holes.DRAWS:
            z = holes.prior_draws(latents, holes.DRAWS)[state.draw]
            return Code(z, f"Prior draw {state.draw}, all {len(z)} coordinates.")
        if state.at is None:
            return None
        axes, names = self._axes(run, latents, state)
        z, row = holes.fill(latents, axes, state.at, state.fill)
        pairs = zip(names, z @ axes, strict=True)
        here = ", ".join(f"{name} = {signed(value, 2)}" for name, value in pairs)
        others = latents.dimensions - 2
        if not others:
            return Code(z, f"{here}, all of the code.")
        sphere = latents.family == "vmf"
        nearest = "" if row is None else run.items["text"][row]
        return Code(z, f"{here}; the other {others} are {_source(state.fill, sphere, nearest)}.")

    def _axes(self, run: Run, latents: Latents, state: State) -> tuple[np.ndarray, Names]:
        """Axes [D, 2] of the map that was clicked, as this run has them, and their names."""
        if state.of == "ab":
            return self._from_a_to_b(run, state), TEXT_AXES
        reference = reference_of(state.of)
        if reference is not None:
            plane = self._planes.plane(run, self.view.find(reference))
            return plane.matrix, plane.names
        dims = item.place_dims(self.view, state, run)
        if dims is not None:
            return two_of(latents, dims), (text.dimension(dims[0]), text.dimension(dims[1]))
        _, first, second = pair_of(state.of)
        axes = self._planes.pair(run, (first - 1, second - 1))
        return axes.matrix, (f"PC {first}", f"PC {second}")

    def _from_a_to_b(self, run: Run, state: State) -> np.ndarray:
        try:
            return self._texts.axes(run, state).matrix
        except UserError as error:
            words = "The place lies on the axes from A to B of the page of projections."
            raise UserError(f"{words} {error}") from error


def _source(fill: str, sphere: bool, nearest: str) -> str:
    """Where the other coordinates come from, in words."""
    if fill == "zeros":
        return "spread evenly, as a sphere allows no zeros there" if sphere else "zero"
    drawn, near = "those of a prior draw", "those of the code nearest in these two"
    scaled = ", scaled to the sphere" * sphere
    return drawn + scaled if fill == "prior" else f"{near}, “{text.shortened(nearest, 80)}”{scaled}"
