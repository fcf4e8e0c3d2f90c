"""The `latentlab` command: read the options, call one function, report.

Heavy imports wait for their command.
"""

import argparse
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

from lab import stopping
from lab.errors import UserError
from lab.options import parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 the user's mistake (one line on standard error)."""
    arguments = parser().parse_args(argv)
    try:
        with stopping.listening():
            return COMMANDS[arguments.command](arguments) or 0
    except UserError as error:
        print(f"latentlab {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder without permission: it names the file itself
        print(f"latentlab {arguments.command}: {error}", file=sys.stderr)
        return 1 if error.errno in (errno.ENOSPC, errno.EIO) else 2


def _train(options: argparse.Namespace) -> int:
    from lab.experiment import text_trainer
    from lab.jobs import follow_parent

    follow_parent()
    _threads(options)
    return _run_trainer(text_trainer(options), options)


def _toy(options: argparse.Namespace) -> int:
    from lab.jobs import follow_parent
    from toy import study

    follow_parent()
    trainers = study.study(options)
    told = study.run(trainers, options)
    reports = [_result(t.folder) for t in trainers]
    if options.json:
        print(json.dumps(reports if len(reports) > 1 else reports[0]))
    elif not told:
        print("\n".join(map(_line, reports)))
    return 0 if all(r["status"] == "finished" for r in reports) else 1


def _run_trainer(trainer: Any, options: argparse.Namespace) -> int:
    trainer.run(options.resume)
    report = _result(trainer.folder)
    print(json.dumps(report) if options.json else _line(report))
    return 0 if report["status"] == "finished" else 1


def _result(folder: Path) -> dict[str, Any]:
    """How a training ended, with its figures on the test set; none if it never began."""
    from lab.runs import open_run
    from lab.runs.layout import run_file

    if not run_file(folder).exists():
        return {"run": str(folder), "status": "not begun", "error": None}
    run = open_run(folder)
    final = next((r for r in run.metrics("test") if r.get("final")), {})
    about = {"run": str(folder), "status": run.status, "error": run.info["error"]}
    return about | ({"time": run.time(run.best_epoch)} | final if final else {})


def _line(report: dict[str, Any]) -> str:
    shown = ("negative_elbo", "nll", "ppl", "kl", "kl_dual", "mi", "mi_moment", "au", "cu")
    figures = "  ".join(f"{k} {report[k]:.4g}" for k in shown if k in report)
    figures = figures and f"test set, best at {report['time']}: {figures}"
    rest = figures or report["error"] or "--resume continues it"
    return f"{report['status']}: {report['run']}  {rest}"


def _threads(options: argparse.Namespace) -> None:
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)


def _explore(options: argparse.Namespace) -> None:
    from apps.explorer import serve

    serve(options.runs, options.port, options.host, not options.no_browser)


def _demo(options: argparse.Namespace) -> None:
    from apps.demo import demo

    demo(options.runs, options.port, options.host, not options.no_browser)


def _figures(options: argparse.Namespace) -> None:
    from figures import draw
    from lab.runs import list_runs

    runs, problems = list_runs(options.runs)
    for problem in problems:
        print(f"skipped {problem}", file=sys.stderr)
    wanted = [r for r in runs if all(text in r.id for text in options.only or ())]
    drawn = draw(options.names, wanted, options.out, palette=options.palette)
    _report([str(p) for p in drawn], options)


def _evaluate(options: argparse.Namespace) -> int:
    from lab import assessment

    _threads(options)
    reports = assessment.evaluate_runs(options)
    print(json.dumps(reports) if options.json else "\n".join(map(assessment.line, reports)))
    return 1 if any("error" in report for report in reports) else 0


def _calibrate(options: argparse.Namespace) -> int:
    from figures.calibration import write
    from lab.calibration import Budget, calibrate

    _threads(options)
    options.out.mkdir(parents=True, exist_ok=True)  # fails before the work, not after it
    given = {k: v for k in ("seeds", "items") if (v := getattr(options, k))}
    budget = Budget.quick(**given) if options.quick else Budget(**given)
    measured = calibrate(budget, quiet=options.json)
    paths = [str(p) for p in write(measured, options.out)]
    judged = [m.holds for m in measured if m.holds is not None]
    report = {"files": paths, "claims": len(judged), "held": sum(judged)}
    told = "\n".join([*paths, f"{sum(judged)} of {len(judged)} claims hold"])
    print(json.dumps(report) if options.json else told)
    return 0 if all(judged) else 1


def _tables(options: argparse.Namespace) -> None:
    from lab.runs import list_runs
    from lab.tables import listing, write

    if options.list:
        print(listing())
        return
    runs, problems = list_runs(options.runs)
    for problem in problems:
        print(f"skipped {problem}", file=sys.stderr)
    wanted = [r for r in runs if all(text in r.id for text in options.only or ())]
    written = write(wanted, options.reference, options.out, _note)
    _report([str(p) for p in written], options)


def _note(words: str) -> None:
    print(words, file=sys.stderr)


def _animate(options: argparse.Namespace) -> None:
    from figures.animation import animate
    from lab.runs import open_run

    o = options
    path = animate(open_run(o.folder), o.out, o.fps, o.seconds, o.size, o.project)
    _report([str(path)], o)


def _import(options: argparse.Namespace) -> None:
    from lab.exchange import import_latents

    folder = import_latents(
        options.file,
        runs=options.runs,
        name=options.name,
        texts=options.texts,
        labels=options.labels,
        epoch=options.epoch,
        keys=dict(options.key),
    )
    _report([str(folder)], options)


def _export(options: argparse.Namespace) -> None:
    from lab.exchange import export_run
    from lab.runs import open_run

    written = export_run(open_run(options.folder), options.to, options.out, options.epoch)
    _report([str(p) for p in written], options)


def _methods(options: argparse.Namespace) -> None:
    from lab import listings

    form = "json" if options.json else "markdown" if options.markdown else "text"
    print(listings.METHODS[form]())


def _presets(options: argparse.Namespace) -> None:
    from lab.presets import PRESETS, describe, listing

    described = [describe(name) for name in PRESETS]
    print(json.dumps(described, ensure_ascii=False) if options.json else listing())


def _corpora(options: argparse.Namespace) -> None:
    from lab.corpora import names

    listed = names()
    if options.json:
        print(json.dumps(dict(listed), ensure_ascii=False))
        return
    for name, about in listed:
        print(f"{name:12} {about}")


def _show(options: argparse.Namespace) -> None:
    from lab import listings
    from lab.methods import describe, parse

    method = parse(options.spec)
    parts, about = method.parts(), describe(method.name)
    shown = {
        "spec": method.spec,
        "label": parts.label,
        "about": about["about"],
        "head": type(parts.head).__name__,
        "views": parts.views,
        "terms": {t.name: f"weight {t.weight}" for t in parts.terms},
        "critic steps": {t.name: t.critic_steps for t in parts.terms if t.critic_steps},
        "procedure": listings.procedure(parts),
        "decoder reads": listings.changes(parts.reading) or "as usual",
        "encoder noise": listings.changes(parts.augmentation),
        "selected by": listings.selection(parts),
        "samples from": parts.sampling,
        "source": about["source"],
    }
    if options.json:
        print(json.dumps(shown, ensure_ascii=False))
        return
    for key, value in shown.items():
        text = (
            ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        print(f"{key:13} {text or 'none'}")


def _report(paths: list[str], options: argparse.Namespace) -> None:
    print(json.dumps(paths) if options.json else "\n".join(paths))


COMMANDS = {
    "demo": _demo,
    "train": _train,
    "toy": _toy,
    "explore": _explore,
    "figures": _figures,
    "evaluate": _evaluate,
    "tables": _tables,
    "calibrate": _calibrate,
    "animate": _animate,
    "import": _import,
    "export": _export,
    "methods": _methods,
    "presets": _presets,
    "corpora": _corpora,
    "show": _show,
}
