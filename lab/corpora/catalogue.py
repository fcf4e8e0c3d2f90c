"""The corpora by name, and where their files are looked for."""

import os
import tomllib
from collections.abc import Callable
from inspect import signature
from pathlib import Path

from lab.errors import UserError

from .checks import check_at_least
from .corpus import SPLITS, Corpus
from .files import find
from .text import read_folder

SYNTHETIC = {
    "grammar": "English-like sentences with known factors and exact log-probability",
    "lstm2d": "sequences of a random LSTM driven by a 2-D latent, likelihood by quadrature",
}
READY_MADE = {  # name: (description, where the files come from)
    "ptb": (
        "Penn Treebank, 42,068 training sentences, 10,002 types",
        "ptb.{train,valid,test}.txt of Mikolov's simple-examples.tgz",
    ),
    "snli": (
        "SNLI sentences sampled by Li et al. 2019",
        "prepare_data.py of github.com/bohanli/vae-pretraining-encoder",
    ),
    "short_yelp": (
        "Yelp sentences of at most 15 words with sentiment, Li et al. 2019",
        "prepare_data.py of github.com/bohanli/vae-pretraining-encoder",
    ),
    "yahoo": (
        "Yahoo answers, Yang et al. 2017",
        "prepare_data.py of github.com/jxhe/vae-lagging-encoder",
    ),
    "yelp": (
        "Yelp reviews, Yang et al. 2017",
        "prepare_data.py of github.com/jxhe/vae-lagging-encoder",
    ),
}


def names() -> list[tuple[str, str]]:
    """Every corpus known by name with a one-line description."""
    return [*SYNTHETIC.items(), *((name, text) for name, (text, _) in READY_MADE.items())]


def load(
    name_or_folder: str | Path,
    *,
    data: str | Path | None = None,
    vocabulary_size: int | None = None,
    minimum_count: int = 1,
    max_length: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    **options: int,
) -> Corpus:
    """Load a synthetic corpus, a folder of text or a ready-made corpus of the data folder.

    data: the folder of ready-made corpora, else $LATENTLAB_DATA, else `data = "..."` in
    ~/.config/latentlab/config.toml. vocabulary_size (specials included) and minimum_count cut the
    vocabulary; sentences of more than max_length words are dropped; limit keeps that many training
    sentences; seed draws them, and a synthetic corpus. options: those of the synthetic corpora
    (sentences, valid, test, ...). Raises UserError for a name, option or file that will not do.
    """
    name = str(name_or_folder)
    check_at_least("seed", seed, 0)
    if name in SYNTHETIC:
        cuts = {"vocabulary_size": vocabulary_size, "max_length": max_length}
        cuts["minimum_count"] = None if minimum_count == 1 else minimum_count
        given = {option: value for option, value in cuts.items() if value is not None}
        return _generate(name, {**options, **given}, limit, seed)
    if options:
        raise UserError(
            f"{name} has no option {next(iter(options))!r}; only synthetic corpora have options"
        )
    return read_folder(
        find_folder(name, data),
        vocabulary_size=vocabulary_size,
        minimum_count=minimum_count,
        max_length=max_length,
        limit=limit,
        seed=seed,
    )


def find_folder(name: str, data: str | Path | None = None) -> Path:
    """Folder of a corpus: ready-made names in the data folder, others a path or a folder there."""
    if name in READY_MADE:
        return _ready_made(name, data)
    if find(Path(name), "train"):
        return Path(name)
    root = data_folder(data)
    if root and (root / name).is_dir():
        return root / name
    if Path(name).is_dir():
        return Path(name)
    known = ", ".join(n for n, _ in names())
    raise UserError(
        f"no corpus or folder {name!r}; give a folder with train, valid and test, or one of {known}"
    )


def data_folder(data: str | Path | None = None) -> Path | None:
    """Where ready-made corpora lie: argument, environment, configuration file, else None."""
    found = data or os.environ.get("LATENTLAB_DATA") or _configured()
    return Path(found).expanduser() if found else None


def _ready_made(name: str, data: str | Path | None) -> Path:
    source = f"the files come from {READY_MADE[name][1]}"
    root = data_folder(data)
    if root is None:
        raise UserError(
            f"{name} needs a data folder with {name}/train.txt, valid.txt, test.txt (or .txt.gz): "
            "give --data DIR, set LATENTLAB_DATA or write "
            f'data = "DIR" in {_configuration()}; {source}'
        )
    folder = root / name
    absent = [split for split in SPLITS if find(folder, split) is None]
    if absent:
        raise UserError(
            f"{folder}: no {absent[0]}.txt or {absent[0]}.txt.gz; put it there ({source})"
        )
    return folder


def _configuration() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "latentlab" / "config.toml"


def _configured() -> str | None:
    path = _configuration()
    if not path.is_file():
        return None
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8")).get("data")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f'{path}: {error}; correct the file, e.g. data = "DIR"') from None
    if data is not None and not isinstance(data, str):
        raise UserError(f'{path}: data is not text; write data = "DIR"')
    return data


def _generate(name: str, options: dict[str, int], limit: int | None, seed: int) -> Corpus:
    generate = _generator(name)
    defaults = {
        key: p.default for key, p in signature(generate).parameters.items() if key != "seed"
    }
    for option, value in options.items():
        if option not in defaults:
            raise UserError(f"{name} has no option {option!r}; it has {', '.join(defaults)}")
        check_at_least(option, value, 1)
    check_at_least("limit", limit, 1)
    chosen = defaults | options
    if limit is not None:
        chosen["sentences"] = min(limit, chosen["sentences"])
    return generate(**chosen, seed=seed)


def _generator(name: str) -> Callable[..., Corpus]:
    if name == "grammar":
        from .grammar import generate
    else:
        from .lstm2d import generate
    return generate
