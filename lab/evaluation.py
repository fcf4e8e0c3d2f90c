"""One pass of a model over a split, and the figures computed from it.

All passes draw from their own seeded generator, so that evaluating never changes training.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily, MultivariateNormal

from lab import metrics
from lab.data import Data
from lab.metrics.arrays import LARGEST_LOG_VARIANCE
from lab.model import Model, State
from lab.posteriors import LinearPushForward, Point
from lab.runs import Latents
from lab.runs.figures import latent_figures

# Draws per item that stand for an implicit posterior in dumps and moment-matched figures.
SAMPLES = 128
STORED_SAMPLES = 16  # of these in a dump
DECODED_ROWS = 512  # rows decoded at once, so that a large vocabulary fits into memory
KERNEL_WIDTHS = (0.03, 0.1, 0.3)  # of the proposal about a deterministic code
PROPOSAL_SAMPLES = 256  # draws that the Gaussian proposal of an implicit posterior is fitted to


class Diverged(Exception):
    """A loss, gradient or posterior that is not finite; the text says which and when."""


@contextmanager
def evaluating(model: Model, seed: int = 0) -> Iterator[None]:
    """Evaluation mode without gradients, on a generator of its own."""
    mode = model.training
    model.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            model.train(mode)


def evaluate(
    model: Model,
    data: Data,
    split: str,
    rows: np.ndarray,
    nll_rows: np.ndarray,
    nll_samples: int,
    selection: Mapping[str, float],
    device: torch.device,
) -> tuple[Latents | None, dict[str, float]]:
    """Latents of the given rows of a split and the figures of that set (nats per sentence).

    "selection" is the figure that picks the best epoch. The NLL comes from `nll_rows`, a subset
    where it is dear. Raises Diverged if something is not finite.
    """
    with evaluating(model):
        latents, record = _pass(model, data, split, rows, "objective" in selection, device)
        if latents is not None:
            record |= latent_figures(latents)
        for kind in ("", "_dual"):
            if f"kl{kind}" in record:
                record[f"negative_elbo{kind}"] = record["reconstruction"] + record[f"kl{kind}"]
        # Deterministic codes train without a likelihood, and one of theirs is dear.
        points = model.head.family == "point"
        nll = None if points else importance_nll(model, data, split, nll_rows, nll_samples, device)
    if nll is not None:
        record |= {"nll": nll.value, "nll_stderr": nll.stderr}
        if tokens := data.tokens(split, nll_rows):
            record["ppl"] = metrics.perplexity(nll.value * len(nll_rows), tokens)
    return latents, record | {"selection": sum(w * record[k] for k, w in selection.items())}


def _pass(
    model: Model, data: Data, split: str, rows: np.ndarray, objective: bool, device: torch.device
) -> tuple[Latents | None, dict[str, float]]:
    arrays: dict[str, np.ndarray] = {}
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    exact_kl = []
    position = np.empty(data.count(split), np.int64)
    position[rows] = np.arange(len(rows))
    for batch in data.rows(split, rows):
        state = model.infer(batch.to(device))
        figures = {"reconstruction": model.reconstruction(state)}
        if objective:
            figures["objective"] = figures["reconstruction"] + sum(model.penalties(state).values())
        for term in model.terms:
            figures |= term.values(state)
        for name, value in figures.items():
            sums[name] += float(value) * batch.size
            counts[name] += batch.size
        for name, values in posterior_arrays(model.head.family, state.q).items():
            if name not in arrays:
                arrays[name] = np.empty((len(rows), *values.shape[1:]), np.float32)
            arrays[name][position[batch.indices]] = values
        if isinstance(state.q, LinearPushForward):
            exact_kl.append(_shared_gaussian(state.q))
    record = {name: value / counts[name] for name, value in sums.items()}
    for name, values in (record | arrays).items():
        check_finite(name, values)
    if np.abs(arrays.get("log_variance", 0)).max() > LARGEST_LOG_VARIANCE:
        raise Diverged(f"the posterior's log variance left ±{LARGEST_LOG_VARIANCE:g}")
    if exact_kl:
        record |= shared_gaussian_metrics(exact_kl)
    return (Latents(model.head.family, **arrays) if arrays else None), record


def encode(
    model: Model, data: Data, split: str, rows: np.ndarray, device: torch.device
) -> np.ndarray:
    """Posterior means [N, D] of some rows of a split, in ascending order of the rows."""
    means, indices = [], []
    with evaluating(model):
        for batch in data.rows(split, rows):
            q = model.infer(batch.to(device)).q
            means.append(posterior_arrays(model.head.family, q)["mean"])
            indices.append(batch.indices)
    return np.concatenate(means)[np.argsort(np.concatenate(indices))]


def check_finite(name: str, values: float | np.ndarray) -> None:
    """Raise Diverged, naming the quantity, if any value is not finite."""
    wrong = np.asarray(values)[~np.isfinite(values)]
    if wrong.size:
        raise Diverged(f"{name} became {wrong.flat[0]}")


def posterior_arrays(family: str, q: Distribution) -> dict[str, np.ndarray]:
    """The arrays by which a run stores q(z|x), one row per item."""
    if family == "none":
        return {}
    if family == "samples":
        samples = q.rsample((SAMPLES,)).movedim(0, 1)
        tensors = {"samples": samples, "mean": samples.mean(1)}
    elif family == "gaussian":
        tensors = {"mean": q.mean, "log_variance": q.log_variance}
    elif family == "vmf":
        concentration = q.mean.new_full(q.mean.shape[:-1], q.concentration)
        tensors = {"mean": q.mean, "concentration": concentration}
    else:
        tensors = {"mean": q.mean}
    return {name: t.float().cpu().numpy() for name, t in tensors.items()}


def _shared_gaussian(q: LinearPushForward) -> tuple[np.ndarray, np.ndarray]:
    density = q.density()
    return density.mean.cpu().numpy(), density.covariance_matrix[0].cpu().numpy()


def shared_gaussian_metrics(batches: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Exact KL = ½[tr S + |m|² - D - log det S] and MI of q(z|x) = N(m(x), S), one S for all x (D1,
    spec 3.4).
    """
    mean = np.concatenate([m for m, _ in batches])
    covariance = batches[0][1]
    log_det = np.linalg.slogdet(covariance)[1]
    square = np.square(mean).sum(1).mean()
    kl = 0.5 * (np.trace(covariance) + square - mean.shape[1] - log_det)
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), mean.T).T
    mi = metrics.mutual_information(whitened, np.zeros_like(whitened))
    figures = {"kl": float(kl), "mi": mi.value, "mi_stderr": mi.stderr}
    return figures | {"aggregated_kl": float(kl) - mi.value}


def importance_nll(
    model: Model, data: Data, split: str, rows: np.ndarray, samples: int, device: torch.device
) -> metrics.Estimate:
    """-log p(x) by importance sampling (spec 3.2), nats per sentence; exact without a latent."""
    weights = [log_weights(model, batch.to(device), samples) for batch in data.rows(split, rows)]
    check_finite("importance weights", weights := np.concatenate(weights, axis=1))
    return metrics.importance_weighted_nll(weights)


def log_weights(model: Model, batch: Any, samples: int) -> np.ndarray:
    """log p(x|z) + log p(z) - log r(z) for draws z of a proposal r [S, B], encoded once, decoded S
    at a time.
    """
    state = model.infer(batch)
    if model.head.family == "none":
        return -model.decoder.nll(batch, state.z).double().cpu().numpy()[None]
    proposal = importance_proposal(state)
    z = proposal.sample((samples,))
    ratio = state.prior.log_prob(z) - proposal.log_prob(z)
    return (ratio.double() - decoded_nll(model, batch, z).double()).cpu().numpy()


def decoded_nll(model: Model, batch: Any, z: Tensor) -> Tensor:
    """-log p(x|z) [S, B] of several draws z [S, B, D], a few hundred rows in one decoder pass."""

    def decode(z: Tensor) -> Tensor:
        nll = model.decoder.nll(batch.repeat(len(z)), z.flatten(0, 1).float())
        return nll.unflatten(0, (len(z), -1))

    return torch.cat([decode(draws) for draws in z.split(max(1, DECODED_ROWS // batch.size))])


def importance_proposal(state: State) -> Distribution:
    """q itself where it has a density; half prior, half Gaussian where it is implicit, a point or
    nearly degenerate.

    The Gaussian is exact for a linear head, fitted to the moments of draws of an implicit one, and
    for a point several about it of different widths; any proposal gives a valid estimate, a poor
    one only a noisier and higher NLL.
    """
    q = state.q
    if hasattr(q, "pairwise_log_prob"):  # all posteriors with a density of their own have it
        return q
    if isinstance(q, LinearPushForward):
        gaussian = q.density()
        return _with_prior(gaussian.mean, gaussian.scale_tril)
    mean, *tril = _kernels(q.mean) if isinstance(q, Point) else _fitted(q)
    return _with_prior(mean, *tril)


def _kernels(code: Tensor) -> list[Tensor]:
    identity = torch.eye(code.shape[-1], dtype=torch.float64, device=code.device)
    return [code.double(), *(width * identity for width in KERNEL_WIDTHS)]


def _fitted(q: Distribution) -> list[Tensor]:
    draws = q.rsample((PROPOSAL_SAMPLES,)).double()
    mean = draws.mean(0)
    centred = (draws - mean).movedim(0, 1)
    covariance = centred.mT @ centred / (len(draws) - 1)
    ridge = 1e-4 * torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
    return [mean, torch.linalg.cholesky(covariance + ridge)]


def _with_prior(mean: Tensor, *scale_trils: Tensor) -> MixtureSameFamily:
    """Half Gaussians about a mean [B, D], half N(0, I)."""
    identity = torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
    shape = (*mean.shape, mean.shape[-1])
    components = MultivariateNormal(
        torch.stack([*[mean] * len(scale_trils), torch.zeros_like(mean)], -2),
        scale_tril=torch.stack([t.expand(shape) for t in (*scale_trils, identity)], -3),
    )
    shares = mean.new_tensor([*[1 / len(scale_trils)] * len(scale_trils), 1.0])
    choice = torch.distributions.Categorical(shares.expand(*mean.shape[:-1], -1))
    return MixtureSameFamily(choice, components)
