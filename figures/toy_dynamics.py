"""How the categories of the toy data part in the latent plane (CL-VAE tables 5a and 5b)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke

from figures.style import (
    TWO_COLUMNS,
    figure,
    is_toy,
    lettered,
    need,
    prior,
    square,
    styled,
)
from lab import look, views
from lab.runs import Run

ITERATIONS = (0, 5_000, 15_000, 30_000)  # columns of table 5a; the last one is the end of training
ITERATIONS_MANY = (0, 5_000, 30_000, 50_000)  # columns of table 5b, likewise
FEW = 4  # categories of table 5a; table 5b has more
ORDER = ("vae", "ivae", "clvae_plus")  # the papers' rows of one K; other methods follow
POINTS = 2_000  # dots in a panel
TINT = 0.3  # of a category's colour where the decoder is sure of it
APART = 0.06  # of the panel's width: nearer centroids have no room for their numbers
TINY = 6  # points, of numbers inside a panel
HALO = [withStroke(linewidth=1.5, foreground="white")]


@styled
def toy_dynamics(
    runs: Sequence[Run], iterations: Sequence[int] = ITERATIONS, all_seeds: bool = False
) -> Figure:
    """Rows are toy runs of up to 4 categories, columns iterations (CL-VAE table 5a).

    Dots are draws of q(z|x) coloured by category, numbers stand at their centroids where there is
    room, tints behind are the decoder's regions if the run has them. Columns are the given
    iterations as far as every run dumped them (else equal steps), then each run's last dump. Of
    several seeds the first is drawn and its row says of how many, unless `all_seeds`. Raises
    UserError if there is no such run with dumped latents of two dimensions.
    """
    return _table([r for r in runs if categories(r) <= FEW], "", iterations, all_seeds)


@styled
def toy_categories(
    runs: Sequence[Run], iterations: Sequence[int] = ITERATIONS_MANY, all_seeds: bool = False
) -> Figure:
    """`toy_dynamics` of the runs with more than 4 categories (CL-VAE table 5b)."""
    many = [r for r in runs if categories(r) > FEW]
    return _table(many, f" of more than {FEW} categories", iterations, all_seeds)


def categories(run: Run) -> int:
    """K of a run on the K-category data, else 0."""
    if not is_toy(run) or not run.epochs or "category" not in run.labels:
        return 0
    return run.info["corpus"].get("categories") or run.items["category"].n_unique()


def flat_toys(
    runs: Sequence[Run], what: str = "", all_seeds: bool = False
) -> list[tuple[str, Run]]:
    """Names of rows and the two-dimensional K-category runs themselves, in the papers' order.

    Without `all_seeds` each method and K has its first seed only. Raises UserError if there is
    none.
    """
    found = [r for r in runs if categories(r) and r.info["latent"]["dimensions"] == 2]
    need(found, f"a two-dimensional toy space{what}; train one with `latentlab toy`")
    groups = defaultdict(list)
    for run in sorted(found, key=lambda run: (categories(run), _place(run))):
        groups[run.spec, categories(run)].append(run)
    labels = Counter((group[0].label, k) for (_, k), group in groups.items())
    named = []
    for (_, k), group in groups.items():
        group.sort(key=lambda run: run.seed)
        shown = group if all_seeds else group[:1]
        title = _title(group[0], labels[group[0].label, k] > 1)
        named += [(f"{title}\nK = {k}{_seed(run, len(group), all_seeds)}", run) for run in shown]
    return named


def _place(run: Run) -> int:
    name = run.spec.split("(")[0]
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _title(run: Run, ambiguous: bool) -> str:
    """The method's name, with its options where another spec has the same name."""
    options = run.spec.removeprefix(run.spec.split("(")[0])
    return f"{run.label} {options}".rstrip() if ambiguous else run.label


def _seed(run: Run, count: int, all_seeds: bool) -> str:
    of = "" if all_seeds else f" of {count}"
    return f", seed {run.seed}{of}" if count > 1 else ""


def cloud(
    run: Run, epoch: int, dims: Sequence[int] = (0, 1), points: int = POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """About `points` draws [M, 2] of q(z|x) in two dimensions, and the item [M] of each.

    Items, order and noise are the same at every epoch, so that a row of z is one draw that moves.
    """
    latents = run.latents(epoch)
    z = views.draws(latents, max(1, points // len(latents)))[..., list(dims)]
    chosen = np.random.default_rng(0).permutation(z.shape[0] * z.shape[1])[:points]
    return z.reshape(-1, 2)[chosen], chosen // z.shape[1]


def limit(clouds: Iterable[np.ndarray]) -> float:
    """A common limit of clouds [M, 2]: the prior whole, at most 1 % of any cloud left out."""
    return max(3.2, *(float(np.ceil(np.quantile(np.abs(z), 0.99))) for z in clouds))


def colours(groups: np.ndarray) -> np.ndarray:
    """The colour of each group number; beyond 16 they begin anew."""
    return np.array(look.CATEGORY_COLOURS)[groups % len(look.CATEGORY_COLOURS)]


def tints(run: Run, epoch: int) -> tuple[np.ndarray, float] | None:
    """The decoder's regions as a picture [G, G, 3], paler where it is unsure, and its half-width.

    None if the run, of K categories, has none at this epoch.
    """
    fields = run.fields(epoch) if categories(run) else {}
    if "regions" not in fields:
        return None
    regions, half = fields["regions"], float(fields["limit"][0])
    chance = 1 / categories(run)
    sure = (fields.get("confidence", np.ones(regions.shape)) - chance) / (1 - chance)
    strength = TINT * np.clip(sure, 0, 1)[..., None]
    shades = to_rgba_array(colours(regions.ravel()))[:, :3].reshape(*regions.shape, 3)
    edge = half * len(regions) / (len(regions) - 1)  # nodes are the middles of the cells
    return 1 - strength * (1 - shades), edge


def backdrop(axes: Axes, picture: np.ndarray, edge: float) -> AxesImage:
    """Draw `tints` behind everything else."""
    extent = (-edge, edge, -edge, edge)
    return axes.imshow(picture, origin="lower", extent=extent, interpolation="bilinear", zorder=0)


def centroids(z: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mean [K, 2] of the draws of each of `count` groups; not a number where there are none."""
    sums = np.stack([np.bincount(groups, axis, count) for axis in z.T], axis=1)
    with np.errstate(invalid="ignore"):
        return sums / np.bincount(groups, minlength=count)[:, None]


def readable(places: np.ndarray, width: float) -> np.ndarray:
    """Which of the places [K, 2] have room for a number in a panel of a width."""
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    inside = np.abs(places).max(1) < width / 2
    return inside & (np.nanmin(distance, axis=1) > APART * width)


def _table(runs: Sequence[Run], what: str, iterations: Sequence[int], all_seeds: bool) -> Figure:
    names, shown = zip(*flat_toys(runs, what, all_seeds), strict=True)
    columns = _columns(shown, iterations)
    side = (TWO_COLUMNS - 0.4) / (len(columns) + 1)
    sheet = figure(TWO_COLUMNS, (side + 0.02) * len(shown) + 0.2, "compressed")
    axes = sheet.subplots(len(shown), len(columns) + 1, squeeze=False)
    epochs = [[*(c // _per_epoch(run) for c in columns), run.epochs[-1]] for run in shown]
    half = limit(cloud(run, e)[0] for run, row in zip(shown, epochs, strict=True) for e in row)
    for row, (run, name) in enumerate(zip(shown, names, strict=True)):
        for panel, epoch in zip(axes[row], epochs[row], strict=True):
            _panel(panel, run, epoch, half)
        axes[row, 0].set_ylabel(lettered(row, name))
    for column, iteration in enumerate(columns):
        title = ("" if column else "iteration ") + _thousands(iteration)
        axes[0, column].set_title(title, fontsize=8)
    axes[0, -1].set_title(f"final ({_ends(shown)})", fontsize=8)
    return sheet


def _panel(axes: Axes, run: Run, epoch: int, half: float) -> None:
    z, items = cloud(run, epoch)
    groups = category_numbers(run)[items]
    if behind := tints(run, epoch):
        backdrop(axes, *behind)
    prior(axes, run)
    axes.scatter(*z.T, s=1.5, c=colours(groups), linewidths=0, alpha=0.6, rasterized=True)
    places = centroids(z, groups, categories(run))
    for k in np.flatnonzero(readable(places, 2 * half)):
        axes.text(*places[k], str(k), fontsize=TINY, ha="center", va="center", path_effects=HALO)
    square(axes, half)
    axes.set(xticks=[], yticks=[])


def category_numbers(run: Run) -> np.ndarray:
    """The category of each item [N], numbered from 0."""
    return np.unique(run.items["category"].to_numpy(), return_inverse=True)[1]


def _per_epoch(run: Run) -> int:
    return run.info["unit"]["per_epoch"]


def _columns(runs: Sequence[Run], iterations: Sequence[int]) -> list[int]:
    """Iterations before the end that all runs dumped: those asked for, or four equal steps."""
    dumped = ({epoch * _per_epoch(run) for epoch in run.epochs[:-1]} for run in runs)
    common = sorted(set.intersection(*dumped))
    wanted = [iteration for iteration in common if iteration in iterations]
    if len(wanted) >= min(len(common), 3):
        return wanted
    steps = np.linspace(0, len(common) - 1, min(len(common), 4))
    return [common[int(i)] for i in steps.round()]


def _thousands(iteration: int) -> str:
    return f"{iteration / 1000:g}k" if iteration >= 1000 else str(iteration)


def _ends(runs: Sequence[Run]) -> str:
    ends = (_thousands(run.epochs[-1] * _per_epoch(run)) for run in runs)
    return ", ".join(dict.fromkeys(ends))
