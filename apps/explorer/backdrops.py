"""What lies behind the points of a toy run, as pure functions: arrays in, one heat map out."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from apps.explorer import theme

FINER = 4  # pixels drawn per step of the grid, so that borders between regions look like lines
LEVELS = 24  # shades of one region
STRONGEST = {"light": 0.34, "dark": 0.36}  # opacity of a region where the decoder is certain
BORDER = 0.4
STEPS = (1, 2, 5, 10)  # of a scale's end, times a power of ten


def regions_heat(
    regions: np.ndarray,
    confidence: np.ndarray,
    limit: float,
    colours: Sequence[str],
    mode: str,
) -> go.Heatmap:
    """Tints of the most probable category [y, x] that fade to the page where it is uncertain.

    `confidence` [y, x] lies between 1/K and 1, `colours` [K] are those of the categories. Between
    the nodes each category's share is interpolated.
    """
    finer = _interpolation(len(regions))
    present = np.unique(regions)
    shares = [finer @ np.where(regions == k, confidence, 0) @ finer.T for k in present]
    winner = np.argmax(shares, axis=0)
    chance = 1 / len(colours)
    certainty = (finer @ confidence @ finer.T - chance) / (1 - chance)
    codes = winner * LEVELS + np.rint(certainty.clip(0, 1) * (LEVELS - 1)).astype(int)
    codes[_borders(winner)] = len(present) * LEVELS
    return _coded(codes, limit, _shades([colours[k] for k in present], mode))


def critic_scale(maps: Sequence[np.ndarray]) -> float:
    """The end in nats of a scale that holds 95 % of the values of each of some critics."""
    largest = max((float(np.quantile(np.abs(m), 0.95)) for m in maps), default=0.0)
    power = 10 ** math.floor(math.log10(max(largest, 0.01)))
    return next(step * power for step in STEPS if step * power >= largest * (1 - 1e-9))


def critic_heat(critic: np.ndarray, limit: float, scale: float, mode: str) -> go.Heatmap:
    """A critic's values [y, x] in nats on a diverging scale from -`scale` to `scale`."""
    axis = _axis(limit, len(critic))
    return go.Heatmap(
        x=axis, y=axis, z=critic.astype(np.float32), zmin=-scale, zmax=scale,
        colorscale=theme.pale(mode), showscale=False, zsmooth="best",
        hovertemplate="%{x:.2f}, %{y:.2f}<br>ν %{z:.2f} nats<extra></extra>",
    )  # fmt: skip


def _axis(limit: float, count: int) -> np.ndarray:
    return np.linspace(-limit, limit, count, dtype=np.float32)


def _interpolation(count: int) -> np.ndarray:
    """Matrix [F, G] from G nodes to F pixels of the same span: a quadratic spline, for linear
    interpolation would show the grid's corners on every border.
    """
    pixels = np.linspace(0, count - 1, FINER * (count - 1) + 1)
    away = np.abs(pixels[:, None] - np.arange(count))
    weights = np.where(away < 0.5, 0.75 - away**2, np.maximum(0, 1.5 - away) ** 2 / 2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _borders(winner: np.ndarray) -> np.ndarray:
    """Pixels whose right or upper neighbour belongs to another region."""
    border = np.zeros(winner.shape, bool)
    border[:, :-1] |= winner[:, 1:] != winner[:, :-1]
    border[:-1] |= winner[1:] != winner[:-1]
    return border


def _shades(colours: Sequence[str], mode: str) -> list[str]:
    """LEVELS tints of each colour, from the page to the strongest, then the colour of borders."""
    page, text = theme.TOKENS[mode]["background"], theme.TOKENS[mode]["text"]
    steps = np.linspace(0, STRONGEST[mode], LEVELS)
    tints = [theme.mix(page, colour, share) for colour in colours for share in steps]
    return [*tints, theme.mix(page, text, BORDER)]


def _coded(codes: np.ndarray, limit: float, colours: Sequence[str]) -> go.Heatmap:
    """A picture of colour numbers."""
    ends = np.linspace(0, 1, len(colours) + 1)
    bands = [[float(end), c] for k, c in enumerate(colours) for end in ends[k : k + 2]]
    axis = _axis(limit, len(codes))
    return go.Heatmap(
        x=axis, y=axis, z=codes.astype(np.min_scalar_type(len(colours))), zmin=-0.5,
        zmax=len(colours) - 0.5, colorscale=bands, showscale=False, hoverinfo="skip",
    )  # fmt: skip
