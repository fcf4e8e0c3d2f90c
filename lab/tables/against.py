"""What makes our runs unlike the paper's: corpus, settings, and how much they were measured on."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from lab.presets import CUTS, PRESETS
from lab.printed import PARAMETERS, Printed, printed
from lab.runs import Run
from lab.settings import Settings
from lab.tables.columns import Column
from lab.tables.evaluations import SAME_METHOD, Group, mapping, seed

# Generated sentences where a paper has another number than the test set has items (spec 3.9).
SAMPLES = {
    ("clvae", "kn5_forward_ppl"): 1280,
    ("clvae", "kn5_reverse_ppl"): 1280,
    ("ivae", "kn5_forward_ppl"): 1280,
    ("ivae", "kn5_reverse_ppl"): 1280,
    ("vae_mine", "kn5_forward_ppl"): 100_000,
    ("vae_mine", "kn5_reverse_ppl"): 100_000,
    ("ceae", "gpt2_forward_ppl"): 1000,
    ("ceae", "lstm_forward_ppl"): 1000,
    ("ceae", "lstm_reverse_ppl"): 10_000,
}
PER_ITEM = {
    "neg_elbo", "nll", "rec", "prior_ll", "post_ll", "ppl", "kl", "mi", "au", "cu",
}  # fmt: skip

# Where a paper, or the one whose data it takes, prints the sizes of its corpora.
# The first that prints a size counts.
SIZES = {
    "clvae": ("ivae:1", "vae_mine:1"),
    "ivae": ("ivae:1", "vae_mine:1"),
    "vae_mine": ("vae_mine:1",),
    "dgvae": ("dgvae:1",),
    "ceae": ("dgvae:1",),
}
ROUNDED = 0.03  # sizes are printed as 3.3K
# What a preset sets that changes no weights.
WATCHING = {"seed", "nll_items", "nll_samples", "final_items", "final_samples"}


def fewer(group: Group, column: Column, n: int, paper: str) -> str:
    """How many items or samples there are, if the paper has more; "" if not."""
    split = group.evaluations[0]["split"]
    if wanted := SAMPLES.get((paper, column.quantity)):
        unit = "samples"
    elif column.quantity in PER_ITEM and split in group.splits:
        wanted, unit = _sentences(group.splits[split]), "sentences"
    return f"{n:,} of {wanted:,} {unit}" if wanted and n < wanted else ""


def unlike(group: Group, row: Printed, paper: str) -> Iterable[str]:
    """In what a group's runs differ from the paper's, a phrase each."""
    yield from _other_corpus(group, row.dataset, paper)
    yield from _other_settings(group, _preset(paper, row))
    yield from (f"{k} = {v}" for k, v in group.changed.items() if k in SAME_METHOD)
    option = PARAMETERS.get(row.method, ("", ""))[1]
    if option and option not in row.options():
        yield f"{option} = {group.options.get(option)}, which the table does not state"
    if group.evaluations[0]["split"] != "test":
        yield f"scored on {group.evaluations[0]['split']}"
    yield from _unfinished(group.runs)


def _unfinished(runs: Iterable[Run]) -> Iterable[str]:
    for run in runs:
        if run.status != "finished":
            yield f"training of seed {seed(run)} {run.status}"


def _other_corpus(group: Group, dataset: str, paper: str) -> Iterable[str]:
    """Its name, and sizes further from the printed ones than rounding explains."""
    corpus = group.run.info["corpus"]
    if group.run.corpus != dataset:
        yield f"corpus {group.run.corpus}"
    if not group.splits:
        yield "sizes of the corpus not recorded"
        return
    ours = {f"num_{name}": _sentences(split) for name, split in group.splits.items()}
    ours["vocab_size"] = _count(corpus.get("vocabulary"))
    for name, there in _printed_sizes(paper, dataset).items():
        here = ours.get(name)
        if here and abs(here / there - 1) > ROUNDED:
            yield f"{name} {here:,} (printed {there:,.0f})"


def _printed_sizes(paper: str, dataset: str) -> dict[str, float]:
    """Of a corpus: sentences of each split and types."""
    found: dict[str, float] = {}
    for reference in SIZES[paper]:
        for size in printed(reference).iter_rows(named=True):
            if size["dataset"] == dataset:
                found.setdefault(size["metric"], size["value"])
    return found


def _sentences(split: Any) -> int | None:
    return _count(mapping(split).get("sentences"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _preset(paper: str, row: Printed) -> str | None:
    """The preset of the recipe that a paper's row was trained by; None if there is none.

    Baselines are clVAE's from iVAE and CEAE's from BN-VAE.
    """
    own = row.method.startswith(paper)
    recipes = {
        "clvae": ("clvae", "ivae") if own else ("ivae",),
        "ceae": ("ceae",) if own else ("dg",),
        "vae_mine": ("mine",),
        "dgvae": ("dg",),
    }.get(paper, (paper,))
    if row.architecture == "transformer":
        recipes = (f"{paper}_transformer",)
    names = [f"{row.dataset}_{recipe}" for recipe in recipes]
    known = row.architecture in ("", "lstm", "transformer")
    return next((name for name in names if known and name in PRESETS), None)


def _other_settings(group: Group, preset: str | None) -> Iterable[str]:
    """Settings unlike the preset's."""
    if preset is None:
        yield "no preset of the paper's"
        return
    parts = [mapping(group.settings.get(part)) for part in ("network", "data", "training")]
    if not all(parts):
        yield f"settings not recorded (the paper's: {preset})"
        return
    ours = {key: value for part in parts for key, value in part.items()}
    theirs = asdict(Settings()) | {"layers": 1} | PRESETS[preset].values
    theirs = {k: v for k, v in theirs.items() if k not in WATCHING and k not in CUTS}
    absent = [key for key in theirs if key not in ours]
    other = [
        f"{key} {_plain(ours[key])} ({_plain(value)})"
        for key, value in theirs.items()
        if key in ours and _plain(ours[key]) != _plain(value)
    ]
    if other:
        yield f"unlike preset {preset} (in brackets): {', '.join(other)}"
    if absent:
        yield f"not recorded: {', '.join(absent)}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
