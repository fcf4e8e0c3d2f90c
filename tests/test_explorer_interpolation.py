"""The interpolation studio: arcs, marked words, ends and paths of runs, files, and the page."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import sentences, write_run
from hypothesis import given
from hypothesis import strategies as st

from apps.explorer import path_curves, path_export, path_parts
from apps.explorer.path_ends import Asked, unknown_words
from apps.explorer.path_making import Paths
from apps.explorer.path_words import changes
from apps.explorer.state import State
from apps.explorer.view import View
from lab.corpora.vocabulary import Vocabulary
from lab.errors import UserError
from lab.interpolation import path as made_path
from lab.latent_paths import codes, spherical, straight
from lab.metrics import log_aggregated_posterior, to_sphere
from lab.runs import Run

WEIGHTS = np.linspace(0, 1, 11)
WORDS = st.lists(st.sampled_from(["the", "cat", "dog", "sees", "a"]), max_size=8).map(" ".join)


class Parrot:
    """A model that says the sign of the first coordinate; its words are those of `sentences`."""

    vocabulary = Vocabulary.of(
        ["the", "cat", "dog", "river", "sees", "finds", "quiet", "bright", "house", "never"]
    )

    def __init__(self, width: int) -> None:
        self.width, self.decoded = width, 0

    def decode(self, z: np.ndarray, greedy: bool, seed: int, max_length: int) -> list[str]:
        self.decoded += len(z)
        return [f"the {'cat' if code[0] < 0 else 'dog'} sees" for code in z]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        signs = [1 if "dog" in text else -1 for text in texts]
        return np.outer(signs, np.ones(self.width))


def with_checkpoint(folder: Path) -> Path:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.safetensors").touch()
    return folder


def write_runs(root: Path) -> None:
    """Two runs that decode, one that stored its paths, one of points and one of categories."""
    with_checkpoint(write_run(root, "bn_vae", "holes", label="BN-VAE", created="1", count=60))
    with_checkpoint(write_run(root, "ae", "points", label="AE", created="2", count=60))
    write_run(root, "vae", "collapsed", label="VAE", created="3", count=60)
    toy = write_run(
        root, "vae", "holes", label="Toy", corpus="toy-4", created="4", count=60, width=2,
        texts=[f"category {i % 4}" for i in range(60)], labels={}, stored=False,
    )  # fmt: skip
    with_checkpoint(toy)
    described = json.loads((toy / "run.json").read_text())
    described["corpus"]["categories"] = 4
    (toy / "run.json").write_text(json.dumps(described))


@pytest.fixture
def parrots(monkeypatch: pytest.MonkeyPatch) -> dict[str, Parrot]:
    made: dict[str, Parrot] = {}

    def load(run: Run) -> Parrot:
        return made.setdefault(run.id, Parrot(run.info["latent"]["dimensions"]))

    monkeypatch.setattr("apps.explorer.paths.load", load)
    return made


@pytest.fixture
def paths(tmp_path: Path, parrots: dict[str, Parrot]) -> Paths:
    write_runs(tmp_path)
    return Paths(View(tmp_path))


def run_of(paths: Paths, label: str) -> Run:
    return next(r for r in paths.view.listing.runs if r.label == label)


def two_codes() -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.random.default_rng(3).normal(size=(2, 6)))


def test_an_arc_turns_by_equal_angles_and_its_length_changes_evenly() -> None:
    a, b = two_codes()
    z = spherical(a, b, WEIGHTS)
    unit = to_sphere(z)
    angles = np.arccos((unit[1:] * unit[:-1]).sum(axis=1))
    whole = np.arccos(unit[0] @ unit[-1])
    assert angles == pytest.approx(np.full(10, whole / 10), rel=1e-6)
    assert np.diff(np.linalg.norm(z, axis=1), 2) == pytest.approx(np.zeros(9), abs=1e-12)


def test_an_arc_begins_and_ends_exactly_at_its_codes() -> None:
    a, b = two_codes()
    z = spherical(a, b, WEIGHTS)
    assert np.array_equal(z[0], a) and np.array_equal(z[-1], b)


def test_a_quarter_circle_in_closed_form() -> None:
    z = spherical(np.array([2.0, 0]), np.array([0, 2.0]), WEIGHTS)
    angle = WEIGHTS * np.pi / 2
    assert z == pytest.approx(2 * np.column_stack([np.cos(angle), np.sin(angle)]), abs=1e-12)


@pytest.mark.parametrize("factor", [2.5, 1.0, 0.0, -1.5])
def test_an_arc_between_codes_on_one_line_is_straight(factor: float) -> None:
    a, _ = two_codes()
    assert spherical(a, factor * a, WEIGHTS) == pytest.approx(straight(a, factor * a, WEIGHTS))


def test_directions_stay_on_the_sphere_and_an_arc_is_their_shortest_way() -> None:
    a, b = to_sphere(np.stack(two_codes()))
    for kind in ("straight", "spherical"):
        z = codes(a, b, WEIGHTS, kind, sphere=True)
        assert np.linalg.norm(z, axis=1) == pytest.approx(np.ones(11))
    assert made_path(a, b, 11, "vmf", "spherical")[1] == pytest.approx(z)
    assert made_path(a, b, 11, "gaussian")[1] == pytest.approx(straight(a, b, WEIGHTS))


@pytest.mark.parametrize(
    ("above", "text", "expected"),
    [
        (None, "the cat", [("same", "the cat")]),
        ("the cat", "the cat", [("same", "the cat")]),
        ("the cat sees", "the dog sees", [("same", "the"), ("new", "dog"), ("same", "sees")]),
        ("the quiet cat", "the cat", [("same", "the"), ("gone", "quiet"), ("same", "cat")]),
        ("the cat", "the cat sees", [("same", "the cat"), ("new", "sees")]),
        ("the cat", "", [("gone", "the cat")]),
        ("", "", []),
    ],
)
def test_new_words_are_told_from_those_that_stood_above(
    above: str | None, text: str, expected: list[tuple[str, str]]
) -> None:
    assert changes(above, text) == expected


@given(above=WORDS, text=WORDS)
def test_the_pieces_make_up_the_text_and_nothing_new_means_nothing_added(
    above: str, text: str
) -> None:
    pieces = changes(above, text)
    assert " ".join(p.words for p in pieces if p.kind != "gone") == text
    assert all(p.kind == "same" for p in pieces) == (above == text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?path=spherical&steps=31", State(path="spherical", steps=31)),
        ("?path=curved&steps=32", State()),
        ("?steps=4", State()),
        ("?on=x&pa=1,-2.5&pb=0,9999", State(on="x", pa=(1.0, -2.5))),
    ],
)
def test_path_steps_and_points_stand_in_the_url(query: str, expected: State) -> None:
    assert State.parse(query) == expected


def test_words_that_a_vocabulary_lacks_are_named_but_not_its_marks() -> None:
    known = Vocabulary.of(["the", "cat"])
    assert unknown_words(known, ["the", "<unk>", "cat", "zzz", "Cat", "_UNK", "zzz"]) == [
        "zzz",
        "Cat",
        "zzz",
    ]


def test_a_typed_sentence_says_its_unknown_words_on_the_card(paths: Paths) -> None:
    run = run_of(paths, "BN-VAE")
    path = paths.find(run, Asked("the cat purrs", "the dog"), State())
    assert path.notes == ("Unknown to this run, 1 of 3 words of A: “purrs”",)
    *_, words = path_parts.column(paths, State(a="the cat purrs", b="the dog"), run.id, "light")
    assert "purrs" in words[0].children


def test_dumped_sentences_keep_their_codes_and_are_asked_once(
    paths: Paths, parrots: dict[str, Parrot]
) -> None:
    run = run_of(paths, "BN-VAE")
    a, b = run.items["text"][4], run.items["text"][9]
    for _ in range(2):
        path = paths.find(run, Asked(a, b), State(steps=7))
    latents = paths.view.latents(run, 6)
    assert path.z[[0, -1]] == pytest.approx(latents.mean[[4, 9]])
    assert len(path.texts) == 7 == parrots[run.id].decoded
    expected = log_aggregated_posterior(latents.mean, latents.log_variance, path.z)
    assert path.log_q == pytest.approx(expected)
    assert path.log_p == pytest.approx(-0.5 * (path.z**2).sum(axis=1) - 4 * np.log(2 * np.pi))


def test_stored_paths_serve_where_the_model_would_say_the_same(paths: Paths) -> None:
    pair = Asked(*sentences(2))
    stored = "stored at epoch 6"
    assert paths.find(run_of(paths, "BN-VAE"), pair, State()).source == stored
    again = paths.find(run_of(paths, "BN-VAE"), pair, State(steps=12))
    assert again.source == "decoded now at epoch 6" and len(again.weights) == 12
    assert paths.find(run_of(paths, "VAE"), pair, State(steps=12)).source == stored


def test_without_a_checkpoint_only_stored_straight_paths_are_shown(paths: Paths) -> None:
    run = run_of(paths, "VAE")
    with pytest.raises(UserError, match="No checkpoint"):
        paths.find(run, Asked("not", "stored"), State())
    with pytest.raises(UserError, match="Those are straight"):
        paths.find(run, Asked(*sentences(2)), State(path="spherical"))


def test_deterministic_codes_have_no_log_q_and_say_so(paths: Paths) -> None:
    path = paths.find(run_of(paths, "AE"), Asked("the cat", "the dog"), State())
    assert path.log_q is None and path.gap is None and path.log_p is not None
    assert "no log q" in path.notes[0]


def test_categories_go_between_their_centres_without_rouge(paths: Paths) -> None:
    run = run_of(paths, "Toy")
    path = paths.find(run, Asked("category 1", "category 2"), State())
    mean = paths.view.latents(run, 6).mean
    assert path.z[0] == pytest.approx(mean[1::4].mean(axis=0)) and path.rouge is None
    with pytest.raises(UserError, match="category 0, category 1"):
        paths.find(run, Asked("the cat", "the dog"), State())
    figure = path_curves.figure_of("rouge", [(run, path)], "light")
    assert "no Rouge-L" in figure.layout.annotations[0].text


def test_points_belong_to_one_run_and_others_take_the_nearest_sentences(paths: Paths) -> None:
    run = run_of(paths, "BN-VAE")
    state = State(on=run.id, pa=(1.0, -0.5), pb=(-1.0, 0.5), x="z1", y="z3")
    wanted = paths.asked(state)
    path = paths.find(run, wanted, state)
    assert path.z[[0, -1]][:, [0, 2]] == pytest.approx(np.array([state.pa, state.pb]))
    assert path.ends == (path.texts[0], path.texts[-1]) == ("the dog sees", "the cat sees")
    texts = run.items["text"].to_list()
    other = paths.find(run_of(paths, "AE"), wanted, state)
    mean = paths.view.latents(run_of(paths, "AE"), 6).mean
    assert other.z[0] == pytest.approx(mean[texts.index(wanted.a)], abs=1e-6)
    assert "exist in that run alone" in wanted.points.words
    with pytest.raises(UserError, match="No checkpoint"):
        paths.find(run_of(paths, "VAE"), wanted, State(on=run_of(paths, "VAE").id))


def test_a_point_of_a_run_that_is_not_shown_is_left_aside(paths: Paths) -> None:
    state = State(on="gone", pa=(0, 0), pb=(1, 1))
    wanted = paths.asked(state)
    assert wanted == Asked(*sentences(2)) and path_parts.points_line(paths, state) is None


def test_the_map_shows_gap_or_density_with_the_path_and_the_first_point(paths: Paths) -> None:
    run = run_of(paths, "BN-VAE")
    state = State(a="the cat", b="the dog", on=run.id, pa=(0.5, 0.5))
    figure = path_parts.column(paths, state, run.id, "light")[0]
    assert figure.data[0].zmin < 0 and figure.data[1].text[0] == "A"
    assert figure.data[2].marker.symbol == "cross-thin"
    assert figure.data[1].hovertext[5].startswith("λ = 0.50, gap ")
    density = path_parts.column(paths, State(ground="density"), run.id, "light")[0]
    assert density.data[0].zmin == 0
    assert "now click B" in path_parts.points_line(paths, state).children[0].children


def test_a_study_is_exported_whole(paths: Paths) -> None:
    state = State(a="the cat", b='the dog, or "not"', steps=5)
    found = path_parts.study(paths, state)
    lines = list(csv.DictReader(io.StringIO(path_export.as_csv(found))))
    assert [line["method"] for line in lines] == ["BN-VAE"] * 5 + ["AE"] * 5
    assert [float(line["lambda"]) for line in lines[:5]] == [0, 0.25, 0.5, 0.75, 1]
    assert lines[0]["log_q"] and lines[5]["log_q"] == "" and lines[5]["log_p"]
    study = json.loads(path_export.as_json(found, state))
    assert study["a"] == "the cat" and study["steps"] == 5 and study["points"] is None
    first = study["runs"][0]
    assert np.shape(first["z"]) == (5, 8) and len(first["gap"]) == 5
    assert float(lines[2]["log_q"]) == first["log_q"][2]
    assert [one["run"] for one in study["without"]] == ["grammar/vae/0"]
    assert "No checkpoint" in study["without"][0]["why"]


def drawn(visit: Visit, count: int) -> None:
    """Wait until so many maps hold their path."""
    visit.page.wait_for_function(
        "n => [...document.querySelectorAll(`[id*='\"path\"'] .js-plotly-plot`)]"
        ".filter(plot => plot._fullData?.length >= 2).length == n", arg=count,
    )  # fmt: skip


def test_type_sentences_choose_a_path_and_take_the_study_home(
    visit: Visit,
    serve: Callable[[Path], str],
    parrots: dict[str, Parrot],
    tmp_path: Path,
) -> None:
    write_runs(tmp_path)
    page = visit.page
    page.goto(f"{serve(tmp_path)}/interpolation")
    drawn(visit, 3)
    page.locator("#sentence-a").fill("the cat purrs loudly")
    page.locator("#sentence-b").fill("the dog")
    page.get_by_text("Unknown to this run, 2 of 4 words of A: “purrs”, “loudly”").nth(1).wait_for()
    page.get_by_text("No checkpoint to decode with").wait_for()
    page.locator(".steps mark", has_text="dog").nth(1).wait_for()
    page.get_by_text("spherical", exact=True).click()
    page.wait_for_url("**path=spherical*")
    page.locator("#path-steps").fill("7")
    page.wait_for_function("document.querySelectorAll('.steps tbody tr').length == 7")
    for kind, name in (("CSV", "interpolation.csv"), ("JSON", "interpolation.json")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {kind}").click()
        assert download.value.suggested_filename == name
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "the cat sees" in text
    assert json.loads(text)["path"] == "spherical"
    assert page.evaluate("window.webgl") == 0


DOUBLE_CLICK = 350  # milliseconds within which plotly takes two clicks anywhere for a double one


def test_two_clicks_on_a_map_go_between_its_points_and_back(
    visit: Visit,
    serve: Callable[[Path], str],
    parrots: dict[str, Parrot],
    tmp_path: Path,
) -> None:
    write_runs(tmp_path)
    page = visit.page
    page.goto(
        f"{serve(tmp_path)}/interpolation?limit=2&run=grammar%2Fbn_vae%2F0&run=grammar%2Fae%2F0"
    )
    drawn(visit, 2)
    area = page.locator("[id*='\"path\"'] .nsewdrag").first.bounding_box()
    for x, y, told in ((0.9, 0.1, "now click B"), (0.1, 0.85, "exist in that run alone")):
        page.mouse.click(area["x"] + x * area["width"], area["y"] + y * area["height"])
        page.get_by_text(told).wait_for()
        page.wait_for_timeout(DOUBLE_CLICK)
    assert visit.query()["on"] == ["grammar/bn_vae/0"]
    assert visit.query()["pa"][0].startswith("1.") and visit.query()["pb"][0].startswith("-1.")
    page.reload()
    page.get_by_text("exist in that run alone").wait_for()
    drawn(visit, 2)
    page.get_by_role("button", name="Back to sentences").click()
    page.wait_for_function("!location.search.includes('pa=')")
    page.get_by_text("exist in that run alone").wait_for(state="detached")
