"""A run's latent plane over training as a GIF or an MP4."""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.lines import Line2D
from PIL import Image
from scipy.spatial import cKDTree

from figures.style import figure, prior, square, styled
from figures.toy_dynamics import (
    HALO,
    TINT,
    backdrop,
    categories,
    category_numbers,
    centroids,
    cloud,
    colours,
    limit,
    readable,
    tints,
)
from lab import look, views
from lab.errors import UserError
from lab.runs import Run
from lab.runs.layout import replace

PACE = 0.5  # seconds from one dump to the next
LONGEST = 20.0  # seconds, unless asked for more
MOST_FRAMES = 1500
REST = 1.5  # seconds that the last dump stands still
INCHES = 4.8  # the width that the type is made for
TOP, BOTTOM, SIDE = 30, 24, 12  # pixels around the map when it is 480 wide
SHADES = 255  # colours of a GIF
GREYS = 16  # from the page to the text
CELL = np.rint(np.arange(256) * 63 / 255).astype(np.uint8)  # of a channel's value
MOST = len(look.CATEGORY_COLOURS)  # values of a label that colour dots

Encoder = Callable[[Path, "_Stage", Iterable["_Moment"], float], None]


@styled
def animate(
    run: Run,
    path: str | Path,
    fps: float = 10,
    seconds: float | None = None,
    size: int = 480,
    project: bool = False,
) -> Path:
    """Draws of q(z|x) moving through the latent plane from the first dump to the last.

    Every dump takes the same time, half a second or so that all take `seconds`; then the end rests.
    A dot is a draw of one item with the same noise at every dump, so between dumps it moves on a
    straight line; imported samples may not share their noise and jump instead. Colours are
    categories, of other runs the values of the first label with at most 16. Behind lie the
    decoder's regions, if the run has them, and above stands the time, both of the dump passed last;
    the ticks of the bar below are the dumps. `size` is the width in pixels; `project` shows the two
    dimensions of a larger space that are most active in the last dump. The same run gives the same
    bytes. Raises UserError for another ending than .gif and .mp4, an
    MP4 without ffmpeg, another latent size without `project`, and numbers out of bounds.
    """
    path = Path(path)
    encode = _encoder(path)
    _check("--fps", fps, 1, 50)
    _check("--seconds", 1 if seconds is None else seconds, 0.1, 600)
    _check("--size", size, 160, 2000)
    _check("frames: --fps times --seconds,", fps * (seconds or LONGEST), 0, MOST_FRAMES)
    film = _Film(run, _dimensions(run, project))
    stage = _Stage(film, size)
    try:
        replace(path, lambda p: encode(p, stage, film.moments(fps, seconds), fps))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


def _encoder(path: Path) -> Encoder:
    ending = path.suffix.lower()
    if ending == ".mp4" and not shutil.which("ffmpeg"):
        raise UserError(f"{path}: an MP4 needs ffmpeg on the PATH; a name ending in .gif works")
    if ending not in (".gif", ".mp4"):
        raise UserError(f"{path}: give a name that ends in .gif or .mp4")
    return _gif if ending == ".gif" else _mp4


def _check(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{option} {value:g} is not within {low:g} to {high:g}")


def _dimensions(run: Run, project: bool) -> tuple[int, int]:
    latents = run.latents()
    if latents.dimensions == 2:
        return 0, 1
    if latents.dimensions < 2:
        raise UserError(f"{run.id}: one latent dimension; an animation needs at least two")
    if not project:
        raise UserError(
            f"{run.id}: {latents.dimensions} latent dimensions; --project shows the two most "
            "active ones, a run with two shows all"
        )
    first, second = views.activity_order(latents)[:2]
    return int(first), int(second)


@dataclass(frozen=True)
class _Moment:
    """Draws z [M, 2] a `share` of the way from the dump of a number and epoch to the next."""

    dump: int
    epoch: int
    share: float
    z: np.ndarray


class _Film:
    """What a run shows at any moment."""

    def __init__(self, run: Run, dims: tuple[int, int]) -> None:
        self.run, self.dims = run, dims
        self._z = lru_cache(maxsize=2)(lambda dump: cloud(run, run.epochs[dump], dims)[0])
        self._steady = run.latents().samples is None or run.items["split"][0] != "imported"
        self.half = limit(self._z(dump) for dump in range(len(run.epochs)))

    def moments(self, fps: float, seconds: float | None) -> Iterator[_Moment]:
        """Those of all frames, the last dump at rest included."""
        gaps = len(self.run.epochs) - 1
        steps = round(fps * (seconds or min(PACE * gaps, LONGEST)))
        steps = max(steps, 1 if seconds else gaps)
        for step in range(steps if gaps else 0):
            dump, rest = divmod(step * gaps, steps)
            yield self.at(dump, rest / steps)
        for _ in range(max(1, round(fps * REST))):
            yield self.at(gaps)

    def at(self, dump: int, share: float = 0.0) -> _Moment:
        z = self._z(dump)
        if share and self._steady:
            z = (1 - share) * z + share * self._z(dump + 1)
        return _Moment(dump, self.run.epochs[dump], share, z)


class _Stage:
    """The picture of one moment, its parts moved rather than drawn anew."""

    def __init__(self, film: _Film, size: int) -> None:
        self._film, run = film, film.run
        unit = size / 480
        self.pixels = (2 * round(size / 2), 2 * round((size + unit * (TOP + BOTTOM - 24)) / 2))
        dpi = size / INCHES
        # Half a pixel more, so that rounding down cannot lose one.
        self._figure = figure(*((p + 0.5) / dpi for p in self.pixels), "none")
        self._figure.set_dpi(dpi)
        self._canvas = FigureCanvasAgg(self._figure)
        width, height = (p / unit for p in self.pixels)
        box = (SIDE / width, BOTTOM / height, 1 - 2 * SIDE / width, 1 - (TOP + BOTTOM) / height)
        self._axes = self._figure.add_axes(box)
        self._groups = _groups(run)
        self._map()
        line = 1 - TOP / 2 / height
        text = {"fontsize": 10, "va": "center"}
        self._figure.text(SIDE / width, line, _title(run), **text)
        self._time = self._figure.text(1 - SIDE / width, line, "", ha="right", **text)
        self._bar = self._progress(SIDE / width, BOTTOM / 2 / height)
        self._behind, self._epoch = None, None

    def show(self, moment: _Moment) -> Image.Image:
        """The frame of a moment, RGB."""
        self._dots.set_offsets(moment.z)
        self._place_numbers(moment.z)
        if moment.epoch != self._epoch:
            self._pass(moment.epoch)
        gone = (moment.dump + moment.share) / max(1, len(self._film.run.epochs) - 1)
        left, right = self._ends
        self._bar.set_xdata([left, left + gone * (right - left)])
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())[..., :3].copy())

    def palette(self) -> np.ndarray:
        """The colours [P, 3] of all frames, 0 to 1: greys, and shades of every class's colour.

        Chosen by hand, since a palette of the commonest colours gives dots another class's.
        """
        own = look.colour(self._film.run.spec)
        shades = to_rgba_array([own, *self._groups.colours[:MOST]])[:, :3]
        count = (SHADES - GREYS) // len(shades)
        dark = np.linspace(1, TINT, count // 2, endpoint=False)
        strengths = np.concatenate([dark, np.linspace(TINT, 0.02, count - count // 2)])
        greys = np.linspace(0, 1, GREYS)[:, None] * (1 - to_rgba_array(look.LIGHT["text"])[:, :3])
        mixed = strengths[:, None, None] * (1 - shades)
        return 1 - np.concatenate([greys, mixed.reshape(-1, 3)])

    def _pass(self, epoch: int) -> None:
        """What changes only when a dump is reached."""
        run, self._epoch = self._film.run, epoch
        self._time.set_text(run.time(epoch))
        if self._behind:
            self._behind.remove()
        found = tints(run, epoch)
        self._behind = backdrop(self._axes, *found) if found else None

    def _map(self) -> None:
        run, groups = self._film.run, self._groups
        items = cloud(run, run.epochs[0], self._film.dims)[1]
        self._numbers = groups.numbers[items]
        prior(self._axes, run)
        self._dots = self._axes.scatter(
            *np.zeros((2, len(items))),
            s=7,
            c=groups.colours[self._numbers],
            linewidths=0,
            alpha=0.6,
        )
        square(self._axes, self._film.half)
        self._axes.set(xticks=[], yticks=[])
        self._texts = []
        if categories(run):
            style = {"fontsize": 10, "ha": "center", "va": "center", "path_effects": HALO}
            self._texts = [self._axes.text(0, 0, name, **style) for name in groups.names]
        elif groups.title:
            _legend(self._axes, groups)
        if run.info["latent"]["dimensions"] > 2:
            _name_axes(self._axes, self._film.dims)

    def _place_numbers(self, z: np.ndarray) -> None:
        if self._texts:
            places = centroids(z, self._numbers, len(self._texts))
            room = readable(places, 2 * self._film.half)
            for text, place, seen in zip(self._texts, places, room, strict=True):
                text.set(position=place, visible=seen)

    def _progress(self, side: float, height: float) -> Line2D:
        self._ends = (side, 1 - side)
        ticks = np.linspace(*self._ends, len(self._film.run.epochs))
        rule, colour = look.LIGHT["rule"], look.colour(self._film.run.spec)
        self._figure.add_artist(Line2D(self._ends, [height] * 2, color=rule, linewidth=2))
        bar = Line2D([side] * 2, [height] * 2, color=colour, linewidth=2)
        marks = Line2D(
            ticks, [height] * len(ticks), linestyle="", marker="|", markersize=5, color=rule
        )
        self._figure.add_artist(marks)
        self._figure.add_artist(bar)
        return bar


@dataclass(frozen=True)
class _Groups:
    """Class names and colours [K], and the class of each item [N]."""

    title: str
    names: list[str]
    colours: np.ndarray
    numbers: np.ndarray


def _groups(run: Run) -> _Groups:
    """Categories, else the first label of few values, else one class in the method's colour."""
    if count := categories(run):
        names = [str(k) for k in range(count)]
        return _Groups("category", names, colours(np.arange(count)), category_numbers(run))
    for title in run.labels:
        values = run.items[title].unique().sort().to_list()
        if len(values) <= MOST:
            place = {value: k for k, value in enumerate(values)}
            numbers = np.array([place.get(value, 0) for value in run.items[title]])
            names = ["none" if value is None else str(value) for value in values]
            return _Groups(title, names, colours(np.arange(len(names))), numbers)
    return _Groups("", [""], np.array([look.colour(run.spec)]), np.zeros(len(run.items), int))


def _title(run: Run) -> str:
    count = categories(run)
    return f"{run.label}, " + (f"K = {count}" if count else run.corpus)


def _legend(axes: Axes, groups: _Groups) -> None:
    style = {"linestyle": "", "marker": "o", "markersize": 4}
    handles = [
        Line2D([], [], color=colour, label=name, **style)
        for name, colour in zip(groups.names, groups.colours, strict=True)
    ]
    axes.legend(
        handles=handles, title=groups.title, loc="upper right", fontsize=9, title_fontsize=9,
        handletextpad=0.1, frameon=True, framealpha=0.8, edgecolor="none",
    )  # fmt: skip


def _name_axes(axes: Axes, dims: tuple[int, int]) -> None:
    style = {"fontsize": 9, "transform": axes.transAxes, "path_effects": HALO}
    right = f"$z_{{{dims[0] + 1}}}$, most active →"
    axes.text(0.99, 0.01, right, ha="right", va="bottom", **style)
    axes.text(0.01, 0.99, f"↑ $z_{{{dims[1] + 1}}}$", ha="left", va="top", **style)


def _gif(path: Path, stage: _Stage, moments: Iterable[_Moment], fps: float) -> None:
    palette = stage.palette()
    nearest, table = _nearest(palette), np.rint(255 * palette).astype(np.uint8).tobytes()

    def frames() -> Iterator[Image.Image]:
        for picture in map(stage.show, moments):
            frame = Image.fromarray(nearest[tuple(np.moveaxis(CELL[np.asarray(picture)], -1, 0))])
            frame.putpalette(table)
            yield frame

    first, *others = frames()
    # A GIF counts hundredths of a second; rounding each frame alone would change the film's length.
    ends = np.rint(100 / fps * np.arange(len(others) + 2)).astype(int)
    delays = (10 * np.diff(ends)).tolist()
    first.save(
        path, "GIF", save_all=True, append_images=others, duration=delays, loop=0, optimize=False
    )


def _nearest(palette: np.ndarray) -> np.ndarray:
    """The number of the palette's nearest colour for each cell [64, 64, 64] of the RGB cube.

    Pillow's own search is approximate and tints the page.
    """
    level = np.linspace(0, 1, 64)
    cells = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1)
    return cKDTree(palette).query(cells)[1].astype(np.uint8)


def _mp4(path: Path, stage: _Stage, moments: Iterable[_Moment], fps: float) -> None:
    """Frames piped to ffmpeg."""
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*stage.pixels)]
    # One thread and no time stamps: the same bytes for the same frames.
    exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    video = ["-c:v", "h264", "-pix_fmt", "yuv420p", *exact, "-f", "mp4", str(path)]
    command = ["ffmpeg", "-y", "-loglevel", "error", *raw, "-framerate", f"{fps:g}", "-i", "pipe:"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *video], stdin=pipe, stderr=pipe) as process:
        with suppress(BrokenPipeError):
            for moment in moments:
                process.stdin.write(stage.show(moment).tobytes())
        problem = process.communicate()[1].decode(errors="replace").split("\n")[0]
    if process.returncode:
        raise UserError(f"ffmpeg cannot write it ({problem}); a name ending in .gif works")
