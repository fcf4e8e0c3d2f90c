"""The explorer's figures and colour classes, as functions of arrays."""

import numpy as np
import polars as pl
import pytest

from apps.explorer import charts, maps, text, theme
from apps.explorer.charts import Curve
from apps.explorer.classes import classes, sample
from apps.explorer.maps import Frame, Points
from apps.explorer.theme import CONTINUOUS
from lab.look import DENSITY_LIMIT, LIGHT

FRAME = Frame("z₁", "z₂", 4.0)


def points(count: int, dead: bool = False, name: str = "all") -> Points:
    x, y = np.random.default_rng(0).normal(size=(2, count))
    return Points(name, "#0072b2", np.zeros(count) if dead else x, y, ["words"] * count)


def test_densities_share_limits_and_start_at_the_background() -> None:
    grid = np.linspace(-4, 4, 9)
    heat = maps.density_figure(grid, grid, np.full((9, 9), 3.0), FRAME).data[0]
    assert (heat.zmin, heat.zmax) == (0, DENSITY_LIMIT)
    assert heat.colorscale[0] == (0.0, LIGHT["background"])
    assert heat.z.shape == (9, 9) and heat.z.dtype == np.float32


def test_maps_are_square_and_share_their_range() -> None:
    figure = maps.centres_figure([points(200)], FRAME, gl=False)
    assert figure.layout.xaxis.range == figure.layout.yaxis.range == (-4, 4)
    assert figure.layout.yaxis.scaleanchor == "x"


@pytest.mark.parametrize(("prior", "radii"), [(False, []), (True, [1, 2, 3])])
def test_prior_circles_on_demand(prior: bool, radii: list[int]) -> None:
    frame = Frame("z₁", "z₂", 4.0, prior)
    figure = maps.centres_figure([points(9)], frame, gl=False)
    assert [shape.x1 for shape in figure.layout.shapes] == radii


@pytest.mark.parametrize(("gl", "kind"), [(False, "scatter"), (True, "scattergl")])
def test_one_trace_per_class(gl: bool, kind: str) -> None:
    figure = maps.centres_figure(
        [points(5, name="a"), points(7, name="b"), points(0, name="c")], FRAME, gl
    )
    assert [(t.type, t.name, len(t.x)) for t in figure.data] == [(kind, "a", 5), (kind, "b", 7)]


def test_hover_is_off_where_a_dimension_is_dead() -> None:
    dead = maps.centres_figure([points(300, dead=True)], FRAME, gl=False)
    alive = maps.centres_figure([points(300)], FRAME, gl=False)
    assert dead.layout.hovermode is False and dead.data[0].hoverinfo == "skip"
    assert alive.layout.hovermode == "closest" and alive.data[0].hovertext[0] == "words"


def test_selected_points_stand_out_and_the_rest_recede() -> None:
    chosen = Points("selected", "#d6336c", np.array([1.0]), np.array([2.0]), ["x"])
    corners = np.array([0.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0])
    figure = maps.centres_figure([points(50)], FRAME, False, chosen, corners)
    assert figure.data[-1].marker.color == "#d6336c"
    assert figure.data[0].marker.opacity < figure.data[-1].marker.opacity
    assert figure.layout.selections[0].path == "M0,1L2,1L2,3Z"


def test_bands_are_one_standard_error() -> None:
    curve = Curve("run", "#0072b2", "solid", np.arange(3), np.full(3, 5.0), np.full(3, 0.5))
    figure = charts.curves_figure([curve], "epoch", "light", ceiling=6.0)
    band, line = figure.data
    assert (band.y.min(), band.y.max()) == (4.5, 5.5)
    assert list(line.y) == [5.0] * 3
    assert figure.layout.shapes[0].y0 == 6.0


def test_dimensions_keep_the_order_given() -> None:
    kl = np.array([[2.0, 3.0], [0.1, 0.2]])
    heat = charts.dimensions_figure(kl, np.array([1, 2]), np.array([4, 0]), 3.0, "dark").data[0]
    assert heat.y == ("z₅", "z₁") and heat.zmax == 3.0


def test_path_names_its_ends() -> None:
    grid = np.linspace(-4, 4, 5)
    path = Points(
        "run", "#d6336c", np.array([0.0, 1, 2]), np.array([0.0, 1, 2]), ["a", "<i>b", "c"]
    )
    figure = maps.path_figure(grid, grid, np.zeros((5, 5)), path, FRAME)
    assert figure.data[1].text == ("A", "", "B")
    assert figure.data[1].hovertext[1] == "&lt;i&gt;b"
    assert (
        figure.data[1].textposition[0] == "bottom left"
        and figure.data[1].textposition[2] == "top right"
    )


def test_nothing_is_sent_to_a_chart_service() -> None:
    assert theme.CONFIG["showSendToCloud"] is False and theme.CONFIG["plotlyServerURL"] == ""


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (0, "most active"),
        (1, "2nd most active"),
        (10, "11th most active"),
        (21, "22nd most active"),
    ],
)
def test_ranks_in_words(position: int, words: str) -> None:
    assert text.rank(position) == words


def test_safe_text_is_escaped_cut_and_broken() -> None:
    lines = text.safe("<b>word</b> " * 100).split("<br>")
    assert all("<" not in line for line in lines) and len(lines) > 2
    assert sum(map(len, lines)) < 4 * text.LONGEST_HOVER


def test_dimension_names_count_from_one() -> None:
    assert text.dimension(16) == "z₁₇"


def test_categories_are_the_same_classes_in_every_run() -> None:
    first, second = pl.Series(["b", "a"]), pl.Series(["c", "a", None])
    found = classes("topic", [first, second])
    assert found.names == ("a", "b", "c")
    assert found.assign(first).tolist() == [1, 0]
    assert found.assign(second).tolist() == [2, 0, 2]


def test_many_categories_end_in_other() -> None:
    found = classes("word", [pl.Series([f"w{i:02d}" for i in range(40)])])
    assert found.names[-1] == "other" and len(found.names) == len(found.colours) == 16
    assert found.assign(pl.Series(["w00", "w39"])).tolist() == [0, 15]


def test_numbers_are_binned_in_order() -> None:
    values = pl.Series(np.linspace(0, 1, 1000))
    found = classes("z1", [values])
    groups = found.assign(values)
    assert groups[0] == 0 and groups[-1] == len(found.colours) - 1
    assert (np.diff(groups) >= 0).all()


def test_few_numbers_are_categories() -> None:
    assert classes("category", [pl.Series([3, 1, 2, 1])]).names == ("1", "2", "3")


def test_lengths_are_coloured_in_order() -> None:
    assert classes("length", [pl.Series([4, 6, 5])]).colours == (
        CONTINUOUS[0],
        CONTINUOUS[8],
        CONTINUOUS[-1],
    )


def test_a_column_without_values_is_one_class() -> None:
    empty = pl.Series([None, None], dtype=pl.String)
    assert classes("topic", [empty]).assign(empty).tolist() == [0, 0]


def test_samples_keep_every_class_and_its_share() -> None:
    groups = np.repeat([0, 1, 2], [9000, 990, 10])
    rows = sample(groups, 1000)
    counts = np.bincount(groups[rows])
    assert counts.tolist() == [900, 99, 1]
    assert np.array_equal(rows, sample(groups, 1000)) and (np.diff(rows) > 0).all()
