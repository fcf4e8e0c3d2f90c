"""Dimensions read alone, and rasters of points: equal to what the whole would give."""

from pathlib import Path

import numpy as np
import pytest

from lab.errors import UserError
from lab.rasters import FINEST, in_view, raster
from lab.runs import Latents, planes
from lab.runs.layout import latents_file
from lab.runs.planes import coordinates, read_plane
from lab.runs.reader import read_latents
from lab.runs.writer import dump_latents

WINDOW = (-2.0, 2.0, -1.0, 3.0)


def dump(folder: Path, family: str, count: int = 50) -> Path:
    random = np.random.default_rng(0)
    mean, spread = random.normal(size=(2, count, 6))
    samples = random.normal(size=(count, 3, 6))
    arrays = {"gaussian": {"log_variance": spread}, "samples": {"samples": samples}, "point": {}}
    dump_latents(folder, 1, Latents(family, mean, **arrays[family]))
    return latents_file(folder, 1)


@pytest.mark.parametrize("family", ["gaussian", "samples", "point"])
def test_a_plane_is_two_columns_of_the_whole(tmp_path: Path, family: str, monkeypatch) -> None:
    monkeypatch.setattr(planes, "BLOCK", 400)  # several blocks, the last one shorter
    path = dump(tmp_path, family)
    expected, found = coordinates(read_latents(path), (4, 1)), read_plane(path, (4, 1))
    assert found.family == family
    for name in ("mean", "log_variance", "samples"):
        wanted = getattr(expected, name)
        assert (getattr(found, name) is None) == (wanted is None)
        assert wanted is None or np.array_equal(getattr(found, name), wanted)


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b"x" * 30, lambda b: b""])
def test_a_damaged_dump_is_a_users_error(tmp_path: Path, damage) -> None:
    path = dump(tmp_path, "gaussian")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="truncated or not a latents file"):
        read_plane(path, (0, 1))


def test_a_dimension_too_far_is_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        read_plane(dump(tmp_path, "point"), (0, 6))


def test_a_raster_holds_the_mass_in_view() -> None:
    plane = np.random.default_rng(1).normal(size=(20_000, 2)).astype(np.float32)
    x, y, density = raster(plane, WINDOW)
    area = (x[1] - x[0]) * (y[1] - y[0])
    assert density.sum() * area == pytest.approx(in_view(plane, WINDOW).mean())
    assert x[0] > WINDOW[0] and y[-1] < WINDOW[3]
    inner = density[np.abs(y - 0.5) < 0.2][:, np.abs(x) < 0.2].mean()
    assert inner == pytest.approx(np.exp(-0.125) / (2 * np.pi), rel=0.1)


def test_rows_are_y_and_columns_are_x() -> None:
    plane = np.tile(np.array([[1.5, -0.5]]), (200, 1))
    x, y, density = raster(plane, WINDOW)
    row, column = np.unravel_index(density.argmax(), density.shape)
    assert x[column] == pytest.approx(1.5, abs=0.5) and y[row] == pytest.approx(-0.5, abs=0.5)


@pytest.mark.parametrize(("count", "cells"), [(0, 8), (300, 8), (1600, 20), (10**6, FINEST)])
def test_the_raster_is_finer_the_more_there_is(count: int, cells: int) -> None:
    plane = np.zeros((count, 2), np.float32)
    assert raster(plane, WINDOW)[2].shape == (cells, cells)


def test_the_edge_of_the_window_is_half_open() -> None:
    plane = np.array([[-2.0, -1.0], [2.0, 0.0], [0.0, 3.0]])
    assert in_view(plane, WINDOW).tolist() == [True, False, False]
