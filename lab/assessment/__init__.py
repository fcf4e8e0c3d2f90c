"""Every figure of a finished run by quantity and estimator, in one file that tables and explorer
read.
"""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lab.assessment import generation, latent_space, likelihood, paths, representation
from lab.assessment.records import Budget, Example, Figure, Found, Missing
from lab.assessment.report import markdown
from lab.assessment.subject import Subject
from lab.errors import UserError
from lab.experiment import text_corpus
from lab.runs import Run, list_runs, open_run
from lab.runs.layout import replace, run_file, write_json

__all__ = ["FILE", "Budget", "Example", "Figure", "Missing", "Subject", "evaluate_runs", "line"]

FORMAT = 1
FILE = "evaluation.json"
READABLE = "evaluation.md"

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
    content = {
        "format": FORMAT,
        "split": "test",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": subject.run.best_epoch,
        "settings": asdict(subject.budget),
        "records": [asdict(f) for f in found if isinstance(f, Figure)],
        "missing": [asdict(m) for m in found if isinstance(m, Missing)],
        "examples": [asdict(e) for e in found if isinstance(e, Example)],
    }
    folder, text = subject.run.folder, markdown(subject.run, content)
    replace(folder / READABLE, lambda path: path.write_text(text, encoding="utf-8"))
    write_json(folder / FILE, content)
    return content


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
        if options.resume and (content := _earlier(run, budget)):
            return about | content
        corpus = text_corpus(run, options.data, options.corpus)
        tell = lambda what: progress(f"{run.id}: {what}")  # noqa: E731
        return about | evaluate(Subject(run, corpus, budget, tell))
    except UserError as error:
        return about | {"error": str(error)}


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
            given[name] = str(path.resolve())
    return Budget(**given)


def _runs(folder: Path) -> Iterable[Run]:
    if run_file(folder).exists():
        return [open_run(folder)]
    return [
        r
        for r in list_runs(folder)[0]
        if r.status == "finished"
        and "training" in r.info.get("settings", {})
        and "fingerprint" in r.info["corpus"]
    ]


def line(report: dict[str, Any]) -> str:
    """A report in one line: quantities by their estimators, or what went wrong."""
    if "error" in report:
        return f"not evaluated: {report['error']}"
    figures = (f"{r['quantity']} ({r['estimator']}) {r['value']:.4g}" for r in report["records"])
    return f"{report['run']}: {', '.join(figures)}"
