"""The list of figures, and writing them to files that are identical for identical runs."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from figures.density_gap_toy import density_gap_toy
from figures.interpolation import (
    interpolation,
    interpolation_latex,
    interpolation_markdown,
    interpolation_table,
)
from figures.kl_mi_curves import kl_mi_curves
from figures.posterior_means import posterior_means
from figures.posterior_panels import posterior_panels
from figures.style import PALETTES, styled
from figures.toy_claims import toy_claims, toy_claims_csv, toy_claims_markdown
from figures.toy_dynamics import toy_categories, toy_dynamics
from figures.toy_trajectories import toy_trajectories
from lab.errors import UserError
from lab.runs import Run
from lab.runs.layout import replace

FIGURES: dict[str, tuple[Callable[..., Figure], str]] = {
    "posterior_panels": (
        posterior_panels,
        "aggregated posteriors and centres (DG-VAE figures 1 and 4)",
    ),
    "kl_mi_curves": (kl_mi_curves, "KL and MI per epoch (CL-VAE figure 3)"),
    "toy_dynamics": (toy_dynamics, "the toy categories over training (CL-VAE table 5a)"),
    "toy_categories": (toy_categories, "more than 4 toy categories (CL-VAE table 5b)"),
    "toy_trajectories": (toy_trajectories, "the paths of the toy categories' centroids"),
    "toy_claims": (
        toy_claims,
        "how soon the categories part, over seeds (CL-VAE section 4.4), also .md and .csv",
    ),
    "density_gap_toy": (density_gap_toy, "the density-gap toy over training (DG-VAE appendix A)"),
    "posterior_means": (
        posterior_means,
        "model against amortised posterior means over training (He et al. 2019)",
    ),
    "interpolation": (interpolation, "Rouge-L along interpolations (DG-VAE figure 5)"),
    "interpolation_table": (
        interpolation_table,
        "decoded interpolations (CL-VAE table 6), also .md and .tex",
    ),
}
TEXTS: dict[str, dict[str, Callable[[Sequence[Run]], str]]] = {
    "interpolation_table": {"md": interpolation_markdown, "tex": interpolation_latex},
    "toy_claims": {"md": toy_claims_markdown, "csv": toy_claims_csv},
}
PALETTED = ("posterior_panels",)  # figures whose colours can be those of the paper
# Without a date, so that the same runs give the same bytes.
METADATA = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}


def _tell(note: str) -> None:
    print(note, file=sys.stderr)


def draw(
    names: Sequence[str],
    runs: Sequence[Run],
    out: str | Path,
    formats: Sequence[str] = ("pdf", "png"),
    palette: str = "default",
    note: Callable[[str], object] = _tell,
) -> list[Path]:
    """Draw the named figures into the folder `out` and return the files written.

    Without names every figure is drawn, and each that does not apply to these runs is passed over
    with a line to `note`. `palette` "paper" gives the maps the paper's colours. Raises UserError
    for an unknown name, format or palette, for a named figure that does not apply to the runs, and
    if nothing could be drawn.
    """
    _check(names, FIGURES, "figure")
    _check(formats, METADATA, "format")
    _check([palette], PALETTES, "palette")
    written = []
    for name in names or FIGURES:
        try:
            written += _write(name, runs, Path(out), formats, palette)
        except UserError as error:
            if names:
                raise UserError(f"{name}: {error}") from error
            note(f"{name} left out: {error}")
    if not written:
        raise UserError("no figure could be drawn from these runs")
    return written


def _check(given: Sequence[str], known: dict[str, object], what: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"no {what} {unknown[0]!r}; choose from {', '.join(known)}")


@styled
def _write(
    name: str, runs: Sequence[Run], out: Path, formats: Sequence[str], palette: str
) -> list[Path]:
    options = {"palette": palette} if name in PALETTED else {}
    picture = FIGURES[name][0](runs, **options)
    texts = {ending: write(runs) for ending, write in TEXTS.get(name, {}).items()}
    paths = {ending: out / f"{name}.{ending}" for ending in (*formats, *texts)}
    for ending in formats:
        _save(picture, paths[ending], ending)
    for ending, text in texts.items():
        replace(paths[ending], lambda p, text=text: p.write_text(text, encoding="utf-8"))
    return list(paths.values())


def _save(picture: Figure, path: Path, ending: str) -> None:
    try:
        replace(path, lambda p: picture.savefig(p, format=ending, metadata=METADATA[ending]))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
