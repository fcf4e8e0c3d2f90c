"""The `latentlab` command: parse options, call one function, report.

Heavy imports wait for their command.
"""

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import UserError

DEFAULT_RUNS = Path("runs")


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 the user's mistake (one line on standard error)."""
    arguments = parser().parse_args(argv)
    # A terminated training stops as cleanly as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return arguments.run(arguments) or 0
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


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(
        prog="latentlab", description="Train text VAEs and see what their latent space does."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int | None], about: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    _explore_options(
        command("demo", _demo, "train a small set of runs and watch them in the explorer")
    )
    train = command("train", _train, "train one method on one corpus")
    train.add_argument("corpus", help="a corpus name (see `latentlab corpora`) or a folder of text")
    train.add_argument(
        "spec", help="a method, e.g. vae or 'bn_vae(gamma=0.9)' (see `latentlab methods`)"
    )
    _train_options(train)
    toy = command("toy", _toy, "train one method on K categories in two dimensions")
    toy.add_argument("spec", help="a method, e.g. vae, ivae or clvae_plus")
    _toy_options(toy)
    explore = command("explore", _explore, "open the explorer on a folder of runs")
    explore.add_argument("runs", nargs="?", type=Path, default=DEFAULT_RUNS, metavar="RUNS")
    _explore_options(explore)
    _figure_options(command("figures", _figures, "draw the papers' figures from runs"))
    _import_options(command("import", _import, "make a run folder of another model's latents"))
    _export_options(command("export", _export, "write a run for other tools"))
    for name, run, about in (
        ("methods", _methods, "list the methods with their options and sources"),
        ("corpora", _corpora, "list the corpora that have names"),
    ):
        command(name, run, about).add_argument("--json", action="store_true")
    show = command("show", _show, "show what a method consists of")
    show.add_argument("spec")
    show.add_argument("--json", action="store_true")
    return top


def _whole(low: int, high: int) -> Callable[[str], int]:
    """An option type: a whole number within bounds."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low} to {high}")
        return int(text)

    return read


_positive = _whole(1, 10**9)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _renamed(text: str) -> tuple[str, str]:
    what, equals, name = text.partition("=")
    if not (what and equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form WHAT=NAME")
    return what, name


def _common_training(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=_whole(0, 2**31 - 1), default=0)
    sub.add_argument("--lr", type=_rate, help="learning rate instead of the preset's")
    sub.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, help="folder of runs (default: runs)"
    )
    sub.add_argument("--resume", action="store_true", help="go on with a stopped run")
    sub.add_argument("--threads", type=_positive, help="CPU threads")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")
    sub.add_argument("--json", action="store_true", help="report the result as JSON")


def _train_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--preset", help="sizes and settings by name (default: the corpus's own, else small)"
    )
    sub.add_argument("--epochs", type=_positive)
    sub.add_argument("--batch-size", type=_positive)
    sub.add_argument(
        "--order", choices=("exact", "bucket", "random"), help="which sentences share a batch"
    )
    sub.add_argument("--optimiser", choices=("adam", "sgd"))
    sub.add_argument("--patience", type=_positive, help="stale epochs before the rate decays")
    for name in ("embedding", "hidden", "latent"):
        sub.add_argument(f"--{name}", type=_positive, help=f"{name} size")
    sub.add_argument(
        "--data", type=Path, help="folder that holds the named corpora (or LATENTLAB_DATA)"
    )
    sub.add_argument("--vocabulary-size", type=_positive)
    sub.add_argument("--minimum-count", type=_positive, default=1)
    sub.add_argument("--max-length", type=_positive, help="leave out longer sentences")
    sub.add_argument("--limit", type=_positive, help="train on this many sentences")
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda")
    _common_training(sub)


def _toy_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--categories", type=_whole(2, 1000), default=4, metavar="K")
    sub.add_argument("--iterations", type=_positive, default=80_000)
    _common_training(sub)


def _explore_options(sub: argparse.ArgumentParser) -> None:
    if sub.prog.endswith("demo"):
        sub.add_argument("--runs", type=Path, default=DEFAULT_RUNS / "demo")
    sub.add_argument("--port", type=_whole(1, 65535), default=8050)
    sub.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    sub.add_argument("--no-browser", action="store_true", help="do not open a browser window")


def _figure_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "names", nargs="*", metavar="NAME", help="figures to draw (default: all that fit)"
    )
    sub.add_argument("--runs", type=Path, default=DEFAULT_RUNS)
    sub.add_argument(
        "--only", action="append", metavar="TEXT", help="only runs whose id contains TEXT"
    )
    sub.add_argument("--out", type=Path, default=Path("out"))
    sub.add_argument("--palette", choices=("default", "paper"), default="default")
    sub.add_argument("--json", action="store_true")


def _import_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", type=Path, help=".npz, .safetensors, .parquet, .csv or .tsv")
    sub.add_argument("--runs", type=Path, default=DEFAULT_RUNS)
    sub.add_argument("--name", help="name of the run (default: the file's)")
    sub.add_argument(
        "--key",
        action="append",
        default=[],
        type=_renamed,
        metavar="WHAT=NAME",
        help="what an array is called in the file, e.g. mean=encoder_mu",
    )
    sub.add_argument("--texts", type=Path, help="one sentence per line")
    sub.add_argument("--labels", type=Path, help=".csv, .tsv or .parquet, one row per item")
    sub.add_argument("--epoch", type=_whole(0, 10**6), default=0)
    sub.add_argument("--json", action="store_true")


def _export_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, metavar="RUN")
    sub.add_argument(
        "--to", required=True, choices=("tensorboard", "embedding-atlas", "npz", "csv")
    )
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--epoch", type=int)
    sub.add_argument("--json", action="store_true")


def _train(options: argparse.Namespace) -> int:
    from lab.experiment import text_trainer

    _threads(options)
    return _run_trainer(text_trainer(options), options)


def _toy(options: argparse.Namespace) -> int:
    from lab.methods import parse
    from toy.experiment import trainer

    _threads(options)
    method = parse(options.spec)
    folder = options.runs / f"toy-{options.categories}" / method.spec / str(options.seed)
    return _run_trainer(
        trainer(
            method,
            folder,
            categories=options.categories,
            iterations=options.iterations,
            seed=options.seed,
            lr=options.lr,
            progress_bar=not options.quiet,
        ),
        options,
    )


def _run_trainer(trainer: Any, options: argparse.Namespace) -> int:
    from lab.runs import open_run

    status = trainer.run(options.resume)
    run = open_run(trainer.folder)
    final = next((r for r in run.metrics("test") if r.get("final")), {})
    report = {"run": str(trainer.folder), "status": status, "error": run.info["error"], **final}
    if options.json:
        print(json.dumps(report))
    else:
        shown = ("negative_elbo", "nll", "ppl", "kl", "kl_dual", "mi", "mi_moment", "au", "cu")
        figures = "  ".join(f"{k} {final[k]:.4g}" for k in shown if k in final)
        print(
            f"{status}: {trainer.folder}  {figures or run.info['error'] or '--resume continues it'}"
        )
    return 0 if status == "finished" else 1


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
    from lab.methods import METHODS, describe

    listed = [describe(name) for name in METHODS]
    if options.json:
        print(json.dumps(listed, ensure_ascii=False))
        return
    for method in listed:
        print(f"{method['name']:14} {method['about']}")
        for name, option in method["options"].items():
            print(f"{'':16}{name} = {option['default']!r}  ({option['type']})")
        print(f"{'':16}{method['source']}")


def _corpora(options: argparse.Namespace) -> None:
    from lab.corpora import names

    listed = names()
    if options.json:
        print(json.dumps(dict(listed), ensure_ascii=False))
        return
    for name, about in listed:
        print(f"{name:12} {about}")


def _show(options: argparse.Namespace) -> None:
    from lab.methods import describe, parse

    method = parse(options.spec)
    parts = method.parts()
    shown = {
        "spec": method.spec,
        "label": parts.label,
        "head": type(parts.head).__name__,
        "views": parts.views,
        "terms": {t.name: f"weight {t.weight}" for t in parts.terms},
        "critic steps": {t.name: t.critic_steps for t in parts.terms if t.critic_steps},
        "selected by": parts.selection,
        "source": describe(method.name)["source"],
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
