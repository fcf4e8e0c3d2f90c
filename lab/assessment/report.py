"""An evaluation to be read: every figure, every gap with its reason, and the examples."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from lab.runs import Run

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "\\|*_<`#[]"})
GLOSSARY = {
    "exact": "in closed form, or a plain count; reconstructions by one draw of z for each item",
    "elbo": "the perplexity that the negative ELBO gives",
    "subset": "of the items alone that the NLL comes from",
    "iw": "importance-weighted, of a subset of the items; it errs high where draws are few",
    "kernel": "the same about a deterministic code, half of the draws from the prior",
    "dual": "a trained critic's bound, as iVAE and clVAE print it; it moves with the critic",
    "moment": "of the Gaussians with the moments of each posterior's draws",
    "whole": "the aggregated posterior is the mixture over all items; MI cannot exceed log n",
    "batch": "over batches of sentences of like length, as in older code",
    "mine": "by VAE-MINE's critic",
    "corrected": "priorLL and postLL with right proposals",
    "published": "as the papers' code computes it",
    "draws": "a log mean over draws of the posterior",
    "held_out": "q is one half of the items, judged beside fresh draws of the other half (whose "
    "share is called aggregate): holes are the excess",
    "mixture": "q is all items; in many dimensions tight posteriors look like holes by themselves",
    "classifier": "AUC of a classifier between codes and prior draws; 0.5 is no difference",
    "mahalanobis": "distance of prior draws to the nearest posterior, with its quantiles",
    "greedy": "of the likeliest word each time",
    "sampled": "of words drawn by their probability",
    "linear": "logistic regression on the codes, percent",
    "mlp": "a small network on the codes, percent",
}
HEADS = {
    "greedy": "Greedy texts from the prior",
    "sampled": "Sampled texts from the prior",
    "path": "Paths between two sentences",
    "neighbours": "Nearest training sentences",
}


def markdown(run: Run, content: dict[str, Any]) -> str:
    """The content of an evaluation as Markdown; nats per sentence unless a figure is a count, a
    share or a perplexity.
    """
    lines = [f"# {_text(run.label)} on {_text(run.corpus)}, seed {run.seed}", ""]
    lines += [f"Test split, {run.time(content['epoch'])}. Settings: {_pairs(content['settings'])}."]
    lines += ["", "| quantity | estimator | value | standard error | n | |"]
    lines += ["|---|---|--:|--:|--:|---|", *map(_record, content["records"])]
    lines += ["", *_glossary({r["estimator"] for r in content["records"]})]
    if content["missing"]:
        lines += ["", "## Not measured", "", *map(_gap, content["missing"])]
    for kind, members in groupby(content["examples"], lambda e: e["kind"]):
        lines += ["", f"## {HEADS[kind]}", ""]
        lines += [line for e in members for line in EXAMPLES.get(kind, _sample)(e["content"])]
    return "\n".join(lines) + "\n"


def _glossary(used: set[str]) -> Iterable[str]:
    yield from (f"- *{_text(name)}*: {GLOSSARY[name]}." for name in GLOSSARY if name in used)


def _record(record: dict[str, Any]) -> str:
    error = "" if record["stderr"] is None else f"{record['stderr']:.3g}"
    cells = [record["quantity"], record["estimator"], f"{record['value']:.5g}", error]
    cells += [f"{record['n']:,}", _pairs(record["detail"] or {})]
    return f"| {' | '.join(map(_text, cells))} |"


def _pairs(values: dict[str, Any]) -> str:
    """What is set, without curves and lists, which the JSON file holds."""
    shown = {k: v for k, v in values.items() if v is not None and not isinstance(v, list)}
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else
        f"{name.replace('_', ' ')} {value}"
        for name, value in shown.items()
    )  # fmt: skip


def _gap(gap: dict[str, Any]) -> str:
    by = f" ({gap['estimator']})" if gap["estimator"] else ""
    return f"- {_text(gap['quantity'] + by)}: {_text(gap['why'])}"


def _path(content: dict[str, Any]) -> Iterable[str]:
    yield from ("| λ | text |", "|--:|---|", f"| A | {_text(content['a'])} |")
    for weight, text in zip(content["weights"], content["texts"], strict=True):
        yield f"| {weight:.1f} | {_text(text)} |"
    yield from (f"| B | {_text(content['b'])} |", "")


def _neighbours(content: dict[str, Any]) -> Iterable[str]:
    yield f"- {_text(content['text'])}"
    for text, cosine in zip(content["neighbours"], content["cosines"], strict=True):
        yield f"    - {cosine:.2f} {_text(text)}"


def _sample(content: dict[str, Any]) -> Iterable[str]:
    yield f"- {_text(content['text'])}"


EXAMPLES = {"path": _path, "neighbours": _neighbours}


def _text(value: Any) -> str:
    """Text of a corpus is data, not markup."""
    return str(value).translate(_ESCAPED)
