"""The page of holes: what its columns say, how it decodes, and the page in a browser."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import write_run

from apps.explorer import decoding, hole_parts, maps
from apps.explorer.looked_at import LookedAt
from apps.explorer.maps import Frame
from apps.explorer.places import Places, signed
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.views import GAP_LIMIT


class Parrot:
    """A model that says where it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def decode(self, z: np.ndarray, greedy: bool, seed: int, max_length: int) -> list[str]:
        self.asked += len(z)
        assert max_length == decoding.MOST_WORDS
        return [f"the {'cat' if greedy else 'dog'} sees {code[0]:.2f}" for code in z]


def write_runs(root: Path) -> None:
    holey = write_run(root, "bn_vae(gamma=1.2)", "holes", label="BN-VAE", created="2026-01-01")
    (holey / "checkpoints").mkdir()
    (holey / "checkpoints" / "best.safetensors").touch()
    write_run(root, "vae", "collapsed", label="VAE", created="2026-01-02")
    write_run(root, "ivae", "samples", label="iVAE", created="2026-01-03")
    write_run(root, "ae", "points", label="AE", created="2026-01-04")


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Parrot:
    made = Parrot()
    monkeypatch.setattr("apps.explorer.paths.load", lambda run: made)
    return made


@pytest.fixture
def looked(tmp_path: Path, parrot: Parrot) -> LookedAt:
    write_runs(tmp_path)
    return LookedAt(View(tmp_path))


@pytest.fixture
def places(looked: LookedAt) -> Places:
    return looked.places


def words(component: object) -> str:
    """All text below a component."""
    if isinstance(component, str):
        return component
    if isinstance(component, list | tuple):
        return " ".join(map(words, component))
    return words(getattr(component, "children", None) or "")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?at=-1.25,0.5&fill=zeros", State(at=(-1.25, 0.5), fill="zeros")),
        ("?draw=17&ground=density", State(draw=17, ground="density")),
        ("?at=1e9,2&fill=all&draw=-1&ground=x", State()),
        ("?at=nan,1", State()),
        ("?at=1", State()),
    ],
)
def test_a_place_stands_in_the_url(query: str, expected: State) -> None:
    assert State.parse(query) == expected


def test_gap_maps_are_symmetric_around_nought_and_share_their_limits() -> None:
    axis, gap = np.linspace(-4, 4, 5), np.full((5, 5), -9.0)
    gap[0, 0] = np.nan
    heat = maps.gap_figure(axis, axis, gap, Frame("z₁", "z₂", 4.0)).data[0]
    assert (heat.zmin, heat.zmax) == (-GAP_LIMIT, GAP_LIMIT) and np.isnan(heat.z[0, 0])


def test_each_family_has_its_list_or_says_why_not(places: Places) -> None:
    said = {r.label: words(hole_parts.ranking(places, State(), r.id)[0]) for r in runs(places)}
    assert "lie in a hole" in said["BN-VAE"] and "is holes" in said["BN-VAE"]
    assert "No holes" in said["VAE"] and "collapsed run" in said["VAE"]
    assert "moments" in said["iVAE"] and "Deterministic codes" in said["AE"]


def runs(places: Places) -> tuple:
    return places.view.listing.runs


def test_a_place_is_described_in_every_run(looked: LookedAt) -> None:
    for state, origin in (
        (State(at=(1.0, -1.0)), "nearest in these two"),
        (State(draw=3), "draw 3"),
    ):
        for run in runs(looked.places):
            figure, _, place = hole_parts.column(looked, state, run.id, "light")
            assert origin in words(place) and "nearest sentences" in words(place)
            assert figure.data[-1].marker.symbol == "cross-thin"


def test_texts_are_greedy_and_sampled_or_say_why_there_are_none(looked: LookedAt) -> None:
    state = State(at=(0.5, 0.25), x="z1", y="z2")
    said = [words(hole_parts.texts(looked, state, r.id)) for r in runs(looked.places)]
    assert said[0].count("the dog sees 0.50") == 4 and said[0].count("the cat sees 0.50") == 1
    assert all("No checkpoint" in s for s in said[1:])


def test_inside_and_outside_are_scored(places: Places, parrot: Parrot) -> None:
    said = words(hole_parts.said(places, State(), runs(places)[0].id))
    assert "240 dumped sentences" in said and said.count("±") == 2 and parrot.asked == 200
    assert "Deterministic" in words(hole_parts.said(places, State(), runs(places)[3].id))


def test_vanished_runs_and_wild_draws_are_a_line(looked: LookedAt) -> None:
    figure, _, place = hole_parts.column(looked, State(draw=9_999_999), "gone", "light")
    assert "no longer" in figure.layout.annotations[0].text and place == ""
    place = hole_parts.column(looked, State(draw=9_999_999), runs(looked.places)[0].id, "light")[2]
    assert hole_parts.HINT in words(place)


def test_decoding_is_bounded_remembered_and_shared(places: Places, parrot: Parrot) -> None:
    decoder, run = decoding.shared(places.view), runs(places)[0]
    assert decoder is places.decoder
    z = np.zeros((40, 8))
    assert decoder.texts(run, z) == decoder.texts(run, z) and parrot.asked == 40
    with pytest.raises(UserError, match="At most 256"):
        decoder.texts(run, np.zeros((257, 8)))
    with pytest.raises(UserError, match="No checkpoint"):
        decoder.texts(runs(places)[1], z)


def test_decoding_that_takes_too_long_ends(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_SECONDS", 0.0)
    decoder, run = places.decoder, runs(places)[0]
    with pytest.raises(UserError, match="longer than"):
        decoder.texts(run, np.zeros((40, 8)))
    assert len(decoder.texts(run, np.zeros((4, 8)))) == 4


def test_numbers_have_true_minus_signs_and_no_negative_nought() -> None:
    assert (signed(-1234.56), signed(-0.04), signed(2.345, 2)) == ("−1,234.6", "0.0", "2.35")


def test_click_on_a_row_and_on_a_map(
    visit: Visit,
    serve: Callable[[Path], str],
    parrot: Parrot,
    tmp_path: Path,
) -> None:
    write_runs(tmp_path)
    page = visit.page
    two = "run=grammar%2Fbn_vae(gamma%3D1.2)%2F0&run=grammar%2Fae%2F0"
    page.goto(f"{serve(tmp_path)}/holes?{two}")
    page.get_by_role("button", name="Look at hole 2").first.click()
    page.wait_for_url("**draw=*")
    page.locator(".ranking tr.here").first.wait_for()
    page.get_by_text("Prior draw").nth(1).wait_for()
    page.get_by_text("sampled", exact=True).nth(3).wait_for()
    area = page.locator("[id*='holes-map'] .nsewdrag").first.bounding_box()
    page.mouse.click(area["x"] + 0.97 * area["width"], area["y"] + 0.95 * area["height"])
    page.wait_for_url("**at=3.*")
    page.get_by_text("the cat sees", exact=False).first.wait_for()
    page.get_by_text("nearest in these two").nth(1).wait_for()
    page.get_by_text("zero", exact=True).click()
    page.wait_for_url("**fill=zeros*")
    page.get_by_text("are zero").nth(1).wait_for()
    assert "draw" not in visit.query() and page.evaluate("window.webgl") == 0


def test_compare_on_demand_and_the_url_restores_the_page(
    visit: Visit,
    serve: Callable[[Path], str],
    parrot: Parrot,
    tmp_path: Path,
) -> None:
    write_runs(tmp_path)
    page = visit.page
    page.goto(
        f"{serve(tmp_path)}/holes?run=grammar%2Fbn_vae(gamma%3D1.2)%2F0&draw=5&ground=density"
    )
    page.get_by_text("Prior draw 5, all 8 coordinates.").wait_for()
    page.get_by_text("density 0").wait_for()
    page.get_by_role("button", name="Decode and compare").click()
    page.get_by_text("240 dumped sentences").wait_for()
