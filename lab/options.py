"""The options of the `latentlab` commands."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_RUNS = Path("runs")
MOST = 1000  # numbers in a range


def parser() -> argparse.ArgumentParser:
    """All commands with their options; the command's name is in `command`."""
    top = argparse.ArgumentParser(
        prog="latentlab", description="Train text VAEs and see what their latent space does."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, add_options) in COMMANDS.items():
        add_options(commands.add_parser(name, help=about, description=about))
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
_seed = _whole(0, 2**31 - 1)


def _several(read: Callable[[str], int]) -> Callable[[str], tuple[int, ...]]:
    """An option type: numbers as "0,2,5" or "0-4"."""

    def read_all(text: str) -> tuple[int, ...]:
        found: list[int] = []
        for part in text.split(","):
            first, dash, last = part.partition("-")
            low = read(first)
            high = read(last) if dash else low
            if not low <= high < low + MOST:
                raise argparse.ArgumentTypeError(
                    f"{part!r} is not a range from low to high of up to {MOST} numbers"
                )
            found += range(low, high + 1)
        return tuple(dict.fromkeys(found))

    return read_all


def _rate(text: str) -> float:
    if not 0 < (value := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _share(text: str) -> float:
    if not 0 <= (value := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _renamed(text: str) -> tuple[str, str]:
    what, equals, name = text.partition("=")
    if not (what and equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form WHAT=NAME")
    return what, name


def _common_training(
    sub: argparse.ArgumentParser,
    seed: Callable[[str], Any] = _seed,
    default: Any = 0,
) -> None:
    several = " or several, as 0-4 or 0,2,5" if default else ""
    sub.add_argument("--seed", type=seed, default=default, help=f"a seed{several} (default: 0)")
    sub.add_argument("--lr", type=_rate, help="learning rate instead of the preset's")
    sub.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, help="folder of runs (default: runs)"
    )
    sub.add_argument("--resume", action="store_true", help="go on with a stopped run")
    sub.add_argument("--threads", type=_positive, help="CPU threads")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")
    sub.add_argument("--json", action="store_true", help="report the result as JSON")


def _train_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("corpus", help="a corpus name (see `latentlab corpora`) or a folder of text")
    sub.add_argument("spec", help="a method, e.g. 'bn_vae(gamma=0.9)' (see `latentlab methods`)")
    sub.add_argument(
        "--preset",
        help="sizes and settings by name (see `latentlab presets`); a corpus name takes those of "
        "the method's paper (default: the corpus's own, else small)",
    )
    sub.add_argument("--epochs", type=_positive)
    sub.add_argument("--batch-size", type=_positive)
    sub.add_argument(
        "--order", choices=("exact", "bucket", "random"), help="which sentences share a batch"
    )
    sub.add_argument("--optimiser", choices=("adam", "sgd"))
    sub.add_argument("--critic-lr", type=_rate, help="learning rate of critics")
    sub.add_argument(
        "--patience", type=_whole(0, 10**9), help="stale epochs before the rate decays; 0: never"
    )
    sub.add_argument("--clip", type=_rate, help="largest norm of a gradient")
    _network_options(sub)
    sub.add_argument(
        "--data", type=Path, help="folder that holds the named corpora (or LATENTLAB_DATA)"
    )
    sub.add_argument("--vocabulary-size", type=_positive)
    sub.add_argument("--minimum-count", type=_positive, default=1)
    sub.add_argument("--max-length", type=_positive, help="leave out longer sentences")
    sub.add_argument("--limit", type=_positive, help="train on this many sentences")
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda")
    _common_training(sub)


def _network_options(sub: argparse.ArgumentParser) -> None:
    for name in ("encoder", "decoder"):
        sub.add_argument(f"--{name}", choices=("lstm", "gru", "transformer"))
    for name in ("embedding", "hidden", "latent"):
        sub.add_argument(f"--{name}", type=_positive, help=f"{name} size")
    sub.add_argument("--layers", type=_positive, help="layers of encoder and decoder each")
    sub.add_argument("--heads", type=_positive, help="attention heads of a transformer")
    sub.add_argument("--positions", choices=("learned", "rotary"), help="of a transformer")
    sub.add_argument("--longest", type=_positive, help="symbols that learned positions reach")
    sub.add_argument(
        "--dropout", type=_share, help="dropout of the decoder, and of a transformer encoder"
    )
    sub.add_argument("--init", type=_rate, help="recurrent weights start uniform within ± this")


def _toy_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("specs", nargs="+", metavar="SPEC", help="methods, e.g. vae ivae clvae_plus")
    sub.add_argument(
        "--experiment",
        choices=("categories", "density_gap", "posterior_means"),
        default="categories",
        help="K categories (iVAE, CL-VAE), DG-VAE's 128 items, or posterior means on lstm2d",
    )
    sub.add_argument(
        "--categories", type=_several(_whole(2, 1000)), metavar="K,...", help="default: 4"
    )
    sub.add_argument("--iterations", type=_positive, help="default: 80000, of density_gap 500")
    sub.add_argument("--epochs", type=_positive, help="of posterior_means")
    sub.add_argument("--every", type=_positive, help="iterations between two measurements")
    sub.add_argument(
        "--dumps",
        type=_several(_whole(0, 10**9)),
        metavar="N,...",
        help="iterations whose latents are kept (default: all that are measured)",
    )
    sub.add_argument(
        "--compile",
        choices=("auto", "always", "never"),
        help="steps as one compiled program (default: auto, where a run is long enough)",
    )
    _common_training(sub, _several(_seed), (0,))


def _server_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", type=_whole(1, 65535), default=8050)
    sub.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only); any other needs a token, printed",
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


def _evaluate_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "folders", nargs="+", type=Path, metavar="RUN", help="runs, or a folder of them"
    )
    sub.add_argument("--data", type=Path, help="folder that holds the named corpora")
    sub.add_argument("--corpus", type=Path, metavar="FOLDER", help="where the text lies now")
    sub.add_argument("--samples", type=_positive, help="importance samples (default: 500)")
    sub.add_argument("--items", type=_positive, help="sentences they are drawn for (default: 1000)")
    sub.add_argument("--sentences", type=_positive, help="generated ones (default: 1280)")
    sub.add_argument("--pairs", type=_positive, help="interpolated ones (default: 100)")
    sub.add_argument(
        "--critic-epochs",
        type=_positive,
        metavar="N",
        help="train LSTM critics for N epochs at most (default: none are trained)",
    )
    sub.add_argument("--gpt2", type=Path, metavar="FOLDER", help="GPT-2's weights, a critic")
    sub.add_argument(
        "--embeddings",
        type=Path,
        metavar="PATH",
        help="a file with one embedding for each test sentence, or a folder with a model's weights",
    )
    sub.add_argument(
        "--resume", action="store_true", help="leave out runs evaluated by these settings already"
    )
    sub.add_argument("--threads", type=_positive, help="CPU threads")
    sub.add_argument("--json", action="store_true")


def _calibrate_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", type=Path, default=Path("calibration"))
    sub.add_argument("--seeds", type=_whole(1, 1000), help="default: 5, quick 2")
    sub.add_argument("--items", type=_whole(1, 20_000), help="sentences of lstm2d (default: 512)")
    sub.add_argument("--quick", action="store_true", help="seconds: fewer and smaller sizes")
    sub.add_argument("--threads", type=_positive, help="CPU threads")
    sub.add_argument("--json", action="store_true")


def _tables_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--runs", type=Path, default=DEFAULT_RUNS)
    sub.add_argument(
        "--only", action="append", metavar="TEXT", help="only runs whose id contains TEXT"
    )
    sub.add_argument(
        "--reference", default="clvae:1", metavar="PAPER:TABLE", help="default: clvae:1"
    )
    sub.add_argument("--list", action="store_true", help="say which tables there are")
    sub.add_argument("--out", type=Path, default=Path("out"))
    sub.add_argument("--json", action="store_true")


def _animate_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, metavar="RUN")
    sub.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=".gif, or .mp4 with ffmpeg"
    )
    sub.add_argument("--fps", type=_rate, default=10.0, help="frames per second, 1 to 50")
    sub.add_argument("--seconds", type=_rate, help="from the first dump to the last")
    sub.add_argument("--size", type=_positive, default=480, help="width in pixels")
    sub.add_argument("--project", action="store_true", help="two most active dimensions of more")
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


def _methods_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--markdown", action="store_true", help="as the page docs/methods.md")
    _listing_options(sub)


def _listing_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true")


def _show_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("spec")
    _listing_options(sub)


def _demo_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--runs", type=Path, default=DEFAULT_RUNS / "demo")
    _server_options(sub)


def _explore_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", nargs="?", type=Path, default=DEFAULT_RUNS, metavar="RUNS")
    _server_options(sub)


COMMANDS = {
    "demo": ("train a small set of runs and watch them in the explorer", _demo_options),
    "train": ("train one method on one corpus", _train_options),
    "toy": ("train methods on toy data in two dimensions", _toy_options),
    "explore": ("open the explorer on a folder of runs", _explore_options),
    "figures": ("draw the papers' figures from runs", _figure_options),
    "evaluate": ("measure finished runs in full on their test sets", _evaluate_options),
    "tables": ("write a paper's table with our numbers beside the printed ones", _tables_options),
    "calibrate": ("hold the estimators against known truth", _calibrate_options),
    "animate": ("show a run's latent plane over training as a film", _animate_options),
    "import": ("make a run folder of another model's latents", _import_options),
    "export": ("write a run for other tools", _export_options),
    "methods": ("list the methods with their options and sources", _methods_options),
    "presets": ("list sizes and settings that have names", _listing_options),
    "corpora": ("list the corpora that have names", _listing_options),
    "show": ("show what a method consists of", _show_options),
}
