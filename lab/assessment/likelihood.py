"""What a run gives the test set: bounds, likelihoods, perplexities."""

import torch

from lab import metrics
from lab.assessment.records import Figure, Found, Missing, figure_of
from lab.assessment.subject import CPU, Subject
from lab.evaluation import evaluating, importance_nll
from lab.metrics.arrays import estimate
from lab.mixture_likelihood import has_density, mixture_log_likelihoods, posterior_log_likelihood

# Key of an evaluation's record -> quantity and estimator; its standard error is under key_stderr.
RECORDED = {
    "reconstruction": ("rec", "exact"),
    "negative_elbo": ("neg_elbo", "exact"),
    "negative_elbo_dual": ("neg_elbo", "dual"),
    "nll": ("nll", "iw"),
    "ppl": ("ppl", "iw"),
    "kl": ("kl", "exact"),
    "kl_dual": ("kl", "dual"),
    "kl_moment": ("kl", "moment"),
    "mi": ("mi", "whole"),
    "mi_dual": ("mi", "dual"),
    "mi_moment": ("mi", "moment"),
    "mi_mine": ("mi", "mine"),
    "aggregated_kl_dual": ("aggregated_kl", "dual"),
    "aggregated_kl": ("aggregated_kl", "whole"),
    "aggregated_kl_moment": ("aggregated_kl", "moment"),
    "total_correlation": ("total_correlation", "whole"),
}
SAMPLED = ("nll", "ppl")  # of the importance-weighted subset
ONE_DRAW = ("reconstruction", "negative_elbo")  # of z for each item; dual ones of a prior z too


def test_pass(a: Subject) -> Found:
    """What training records of the validation split, of the whole test split."""
    record, count = a.passed[1], len(a.rows)
    tokens = a.data.tokens("test", a.rows)
    if a.model.head.family == "none":
        yield from _language_model(record["reconstruction"], count, tokens)
        return
    for key, (quantity, estimator) in RECORDED.items():
        if key in record:
            n, detail = _extent(a, key)
            yield Figure(quantity, estimator, record[key], n, record.get(f"{key}_stderr"), detail)
    for key, estimator in (("negative_elbo", "elbo"), ("negative_elbo_dual", "dual")):
        if key in record and 1 < len(a.subset) < count:
            # Beside the NLL of some items only the bound of the same ones can be read.
            by = "subset" if estimator == "elbo" else "dual, subset"
            yield Figure("neg_elbo", by, a.of_subset[key], len(a.subset), detail={"draws": 1})
        if key in record:
            value = metrics.perplexity(record[key] * count, tokens)
            yield Figure("ppl", estimator, value, count, detail={"tokens": tokens})


def _extent(a: Subject, key: str) -> tuple[int, dict[str, int] | None]:
    """How many items a record of that key is made of, and how many draws."""
    if key in SAMPLED:
        return len(a.subset), {"samples": a.budget.samples}
    if key in ONE_DRAW or key.endswith("_dual"):
        return len(a.rows), {"draws": 1}
    return len(a.rows if a.latents is None else a.measured), None


def _language_model(nll: float, count: int, tokens: int) -> Found:
    """Without a latent code the reconstruction is the likelihood, of the whole split."""
    yield Figure("rec", "exact", nll, count)
    yield Figure("nll", "exact", nll, count)
    ppl = metrics.perplexity(nll * count, tokens)
    yield Figure("ppl", "exact", ppl, count, detail={"tokens": tokens})


def deterministic(a: Subject) -> Found:
    """−ln p(x) of points by importance sampling around their codes (half of the draws are the
    prior's).
    """
    if a.model.head.family != "point":
        return
    if not a.generator.from_prior:
        yield Missing(
            "nll", "this autoencoder is sampled from a density fitted to its codes", "kernel"
        )
        return
    with evaluating(a.model):
        found = importance_nll(a.model, a.data, "test", a.subset, a.budget.samples, CPU)
    detail = {"samples": a.budget.samples, "tokens": a.data.tokens("test", a.subset)}
    yield figure_of("nll", "kernel", found, detail)
    ppl = metrics.perplexity(found.value * len(a.subset), detail["tokens"])
    yield Figure("ppl", "kernel", ppl, len(a.subset), detail=detail)


def mixture_likelihoods(a: Subject) -> Found:
    """DG-VAE's priorLL and postLL: with right proposals, with the published ones (D4), and where q
    has no density by importance sampling and by draws.
    """
    if not a.has_latent:
        yield from (Missing(name, "no latent code") for name in ("prior_ll", "post_ll"))
        return
    with evaluating(a.model):
        batch = next(iter(a.data.rows("test", a.subset[:2])))
        if has_density(a.model.infer(batch).q):
            yield from _with_density(a)
        else:
            yield from _without_density(a)


def _with_density(a: Subject) -> Found:
    twins = {"corrected": (a.budget.mixture_samples, False)}
    if a.model.head.family == "gaussian":
        twins["published"] = (8, True)
    for estimator, (samples, published) in twins.items():
        pairs = [
            mixture_log_likelihoods(a.model, batch, samples, published)
            for batch in a.data.rows("test", a.subset)
        ]
        for name, values in zip(("prior_ll", "post_ll"), zip(*pairs, strict=True), strict=True):
            yield _mean_of(name, estimator, values, samples)


def _without_density(a: Subject) -> Found:
    """ln E_p p(x|z) is ln p(x), so the importance-weighted NLL stands for it."""
    nll, points = a.passed[1].get("nll"), a.model.head.family == "point"
    if nll is None:
        known = "see nll (kernel), which is −priorLL"
        yield Missing("prior_ll", known if a.generator.from_prior else "no prior to draw from")
    else:
        detail = {"samples": a.budget.samples}
        error = a.passed[1].get("nll_stderr")
        yield Figure("prior_ll", "iw", -nll, len(a.subset), error, detail)
    samples = 1 if points else a.budget.mixture_samples
    batches = a.data.rows("test", a.subset)
    values = [posterior_log_likelihood(a.model, batch, samples) for batch in batches]
    yield _mean_of("post_ll", "exact" if points else "draws", values, samples)


def _mean_of(quantity: str, estimator: str, values: list[torch.Tensor], samples: int) -> Figure:
    return figure_of(
        quantity, estimator, estimate(torch.cat(list(values)).numpy()), {"samples": samples}
    )
