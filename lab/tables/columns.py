"""What the papers print a number of, and which of our estimates stand beside it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lab.printed import Printed


@dataclass(frozen=True)
class Metric:
    """How a printed metric is called and which of our quantities stand beside it.

    `higher` says which end is better, None that neither is.
    """

    title: str
    higher: bool | None = False
    quantities: tuple[str, ...] = ()


# What papers print as −ELBO, VAE-MINE as NLL, stands beside our bound and our importance-weighted
# likelihood.
_BOUND = ("neg_elbo", "nll")
METRICS = {
    "neg_elbo": Metric("−ELBO", quantities=_BOUND),
    "nll": Metric("NLL", quantities=_BOUND),
    "rec": Metric("Rec"),
    "prior_ll": Metric("Prior LL", True),
    "post_ll": Metric("Posterior LL", True),
    "ppl": Metric("PPL"),
    "kl": Metric("KL", None),
    "mi": Metric("MI", True),
    "au": Metric("AU", True),
    "cu": Metric("CU", True),
    "kn5_forward_ppl": Metric("5-gram forward PPL"),
    "kn5_reverse_ppl": Metric("5-gram reverse PPL"),
    "lstm_forward_ppl": Metric("LSTM forward PPL"),
    "lstm_reverse_ppl": Metric("LSTM reverse PPL"),
    "gpt2_forward_ppl": Metric("GPT-2 forward PPL"),
    "pearson": Metric("Pearson", True),
    "spearman": Metric("Spearman", True),
    "kendall": Metric("Kendall", True),
}
ACCURACY = "accuracy@"  # then the number of labels; percent

# Estimators from what the papers print for Gaussian posteriors to what only we compute.
ESTIMATORS = (
    "exact", "elbo", "whole", "batch", "corrected", "greedy", "sampled", "dual", "published",
    "moment", "mine", "iw",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One estimator of one of our quantities beside a printed metric."""

    metric: str
    quantity: str
    estimator: str

    @property
    def title(self) -> str:
        name = metric(self.quantity).title
        return f"{name} ({self.estimator})" if self.estimator else name


def metric(name: str) -> Metric:
    """What is known of a metric or quantity."""
    if name.startswith(ACCURACY):
        return Metric(f"Accuracy, {int(name.removeprefix(ACCURACY)):,} labels", True)
    return METRICS[name]


def measured(name: str) -> bool:
    """Whether an evaluation measures a printed metric."""
    return name in METRICS or name.startswith(ACCURACY)


def metrics(rows: Iterable[Printed]) -> list[str]:
    """The metrics that rows print, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row.numbers))


def beside(name: str, recorded: Collection[tuple[str, str]]) -> tuple[Column, ...]:
    """The columns of a printed metric: every recorded estimator of its quantities, or an empty one.

    `recorded` are the quantities and estimators that any evaluation holds.
    """
    quantities = metric(name).quantities or (name,)
    known = [
        Column(name, quantity, estimator)
        for quantity in quantities
        for estimator in sorted({e for q, e in recorded if q == quantity}, key=_rank)
    ]
    return tuple(known) or (Column(name, quantities[0], ""),)


def _rank(estimator: str) -> tuple[int, str]:
    known = ESTIMATORS.index(estimator) if estimator in ESTIMATORS else len(ESTIMATORS)
    return known, estimator
