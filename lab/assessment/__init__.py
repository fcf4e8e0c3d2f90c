"""Every figure of a finished run by quantity and estimator, in one file that tables and explorer
read.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lab.assessment import generation, latent_space, likelihood, paths, representation
from lab.assessment.records import Budget, Example, Figure, Found, Missing
from lab.assessment.report import markdown
from lab.assessment.subject import Subject
from lab.errors import UserError
from lab.evaluation import Diverged
from lab.experiment import text_corpus
from lab.local_models import check_folder
from lab.runs import Run, list_runs, open_run
from lab.runs.layout import replace, run_file, write_json

__all__ = ["FILE", "Budget", "Example", "Figure", "Missing", "Subject", "evaluate_runs", "line"]

FORMAT = 1
EXPECTED = (
    "rec", "neg_elbo", "nll", "ppl", "kl", "mi", "aggregated_kl", "total_correlation",
    "marginal_kl", "au", "cu", "prior_ll", "post_ll", "hole_mass", "two_sample_auc",
    "nearest_posterior", "rouge_l",
)  # fmt: skip
FAMILIES = {
    "none": "language models",
    "point": "deterministic codes",
    "samples": "posteriors without a density",
    "gaussian": "Gaussian posteriors",
    "vmf": "posteriors on a sphere",
}
FILE = "evaluation.json"
READABLE = "evaluation.md"
SHOWN = ("neg_elbo", "nll", "ppl", "kl", "mi", "au", "cu")

PARTS: dict[str, Callable[[Subject], Found]] = {
    "likelihood": likelihood.test_pass,
    "likelihood of points": likelihood.deterministic,
    "MI in batches": latent_space.minibatch_information,
    "marginals": latent_space.marginals,
    "units": latent_space.units,
    "priorLL and postLL": likelihood.mixture_likelihoods,
    "holes": latent_space.holes,
    "generated text": generation.generated,
    "interpolation": paths.interpolations,
    "scores along paths": paths.label_scores,
    "few labels": representation.few_labels,
    "neighbours": representation.nearest,
    "embeddings": representation.embedding_agreement,
}


def evaluate(subject: Subject) -> dict[str, Any]:
    """Write the run's evaluation.json and, to be read, evaluation.md; the content."""
    found = []
    for name, part in PARTS.items():
        subject.progress(name)
        found += part(subject)
    held = {f.quantity for f in found if not isinstance(f, Example)}
    family = FAMILIES[subject.model.head.family]
    found += [Missing(q, f"{family} have none") for q in EXPECTED if q not in held]
    content = {
        "format": FORMAT,
        "split": "test",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": subject.run.best_epoch,
        "settings": asdict(subject.budget),
        "records": [_record(f) for f in found if isinstance(f, Figure)],
        "missing": [asdict(m) for m in found if isinstance(m, Missing)],
        "examples": [asdict(e) for e in found if isinstance(e, Example)],
    }
    folder, text = subject.run.folder, markdown(subject.run, content)
    replace(folder / READABLE, lambda path: path.write_text(text, encoding="utf-8"))
    write_json(folder / FILE, content)
    return content


def _record(figure: Figure) -> dict[str, Any]:
    """JSON has no NaN: an error that one item cannot give is left out."""
    error = figure.stderr
    return asdict(figure) | {"stderr": error if error is not None and isfinite(error) else None}


def evaluate_runs(options: Namespace) -> list[dict[str, Any]]:
    """Evaluate the finished text runs among the given folders; a report of each.

    A run that cannot be evaluated is reported with its error, and the others go on. With `resume`,
    runs that have been evaluated by the same settings at the same epoch are left as they are.
    Raises UserError if there is no run at all, or only one, which cannot.
    """
    runs = [run for folder in options.folders for run in _runs(folder)]
    if not runs:
        raise UserError(f"{options.folders[0]}: no finished text run; train one first")
    budget = _budget(options)
    with tqdm(runs, unit="run", disable=options.json) as bar:
        reports = [_report(run, budget, options, bar.set_postfix_str) for run in bar]
    if len(reports) == 1 and "error" in reports[0]:
        raise UserError(reports[0]["error"])
    return reports


def _report(
    run: Run, budget: Budget, options: Namespace, progress: Callable[[str], None]
) -> dict[str, Any]:
    about = {"run": str(run.folder)}
    try:
        if not run.trained_on_text:
            raise UserError(f"{run.id}: not a text run trained here, so it cannot be evaluated")
        if options.resume and (content := _earlier(run, budget)):
            return about | content
        corpus = text_corpus(run, options.data, options.corpus)
        tell = lambda what: progress(f"{run.id}: {what}")  # noqa: E731
        return about | evaluate(Subject(run, corpus, budget, tell))
    except UserError as error:
        return about | {"error": str(error)}
    except Diverged as error:
        return about | {"error": f"{run.id}: {error}; its model is of no use"}


def _earlier(run: Run, budget: Budget) -> dict[str, Any] | None:
    """What the run's file says, if it is what an evaluation would write now."""
    try:
        content = json.loads((run.folder / FILE).read_text(encoding="utf-8"))
        found = {name: content[name] for name in ("format", "epoch", "settings")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    now = {"format": FORMAT, "epoch": run.best_epoch, "settings": asdict(budget)}
    return content if found == now else None


def _budget(options: Namespace) -> Budget:
    """Raises UserError for a folder or file that is not there, before any run is touched."""
    names = ("samples", "items", "sentences", "pairs", "critic_epochs")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    for name in ("gpt2", "embeddings"):
        if path := getattr(options, name):
            if not path.exists():
                raise UserError(f"--{name} {path}: no such file or folder")
            if path.is_dir() or name == "gpt2":
                check_folder(path, f"--{name}", {"gpt2": "gpt2"}.get(name))
            given[name] = str(path.resolve())
    return Budget(**given)


def _runs(folder: Path) -> Iterable[Run]:
    if run_file(folder).exists():
        return [open_run(folder)]
    runs, problems = list_runs(folder)
    for problem in problems:
        print(f"skipped {problem}", file=sys.stderr)
    trained = [run for run in runs if run.trained_on_text]
    for run in trained:
        if run.status != "finished":
            print(
                f"skipped {run.id}: {run.status}; name its folder to evaluate it", file=sys.stderr
            )
    return [run for run in trained if run.status == "finished"]


def line(report: dict[str, Any]) -> str:
    """A report in one line: what tables show most, or what went wrong."""
    if "error" in report:
        return f"not evaluated: {report['error']}"
    shown = [
        f"{r['quantity']} ({r['estimator']}) {r['value']:.4g}"
        for r in report["records"]
        if r["quantity"] in SHOWN
    ]
    return f"{report['run']}/{READABLE}: {', '.join(shown)}"
