"""The metrics timed against straightforward broadcasting: python -m tests.benchmarks.metrics_speed.

Broadcasting runs on as much of the problem as fits into half a gigabyte and is scaled up to the
whole; both sides are timed in one run, best of `REPEATS`, so the ratio survives a busy machine.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from lab import metrics

DIMENSIONS, POINTS, MEMORY = 32, 500, 2**29
REPEATS = 3
GRID = np.linspace(-8, 8, 1001)


def posteriors(items: int, dimensions: int = DIMENSIONS) -> tuple[np.ndarray, np.ndarray]:
    """Float32 means and log variances whose mixture is near the prior, sigma about a half."""
    rng = np.random.default_rng(0)
    mean = 0.85 * rng.standard_normal((items, dimensions))
    log_variance = 2 * np.log(0.5) + 0.4 * rng.standard_normal((items, dimensions))
    return mean.astype(np.float32), log_variance.astype(np.float32)


def gaussian_log_prob(mean: np.ndarray, log_variance: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Elementwise log N(z; mean, exp(log_variance)) by broadcasting."""
    return -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi))


def log_mean_exp(values: np.ndarray, axis: int) -> np.ndarray:
    """The log of the mean of exp along an axis, shifted by the maximum."""
    top = values.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(values - top).mean(axis=axis))


def broadcast_map(mean: np.ndarray, log_variance: np.ndarray, points: int) -> np.ndarray:
    """Density of the first two dimensions through an array [N, P, P]."""
    axis = np.linspace(-5, 5, points)
    x, y = (np.exp(gaussian_log_prob(mean[:, [d]], log_variance[:, [d]], axis)) for d in (0, 1))
    return (y[:, :, None] * x[:, None, :]).mean(axis=0)


def broadcast_density(mean: np.ndarray, log_variance: np.ndarray, z: np.ndarray) -> np.ndarray:
    """log q(z_m) through an array [M, N, D]."""
    return log_mean_exp(gaussian_log_prob(mean, log_variance, z[:, None]).sum(axis=2), axis=1)


def broadcast_marginal_kl(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """KL(N(0, 1) || q(z_i)) per dimension through an array [1001, N] for each."""
    log_p = gaussian_log_prob(0.0, 0.0, GRID)
    log_q = [
        log_mean_exp(gaussian_log_prob(m, v, GRID[:, None]), axis=1)
        for m, v in zip(mean.T, log_variance.T, strict=True)
    ]
    return np.trapezoid(np.exp(log_p) * (log_p - np.stack(log_q)), GRID, axis=1)


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """The shortest of `repeats` wall times of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def ratios(items: int = 10_000) -> list[tuple[str, float, float, str]]:
    """Name, our seconds, broadcasting's seconds scaled up and what they were measured on."""
    mean, log_variance = (array.astype(float) for array in posteriors(items))
    few = min(items, MEMORY // (8 * POINTS**2))
    rows = min(items, MEMORY // (8 * items * DIMENSIONS))
    dims = 4
    map_seconds = seconds(lambda: broadcast_map(mean[:few], log_variance[:few], POINTS))
    pair_seconds = seconds(lambda: broadcast_density(mean, log_variance, mean[:rows]))
    unit_seconds = seconds(
        lambda: broadcast_marginal_kl(mean[:, :dims], log_variance[:, :dims]), repeats=1
    )
    exact = seconds(lambda: metrics.aggregated_posterior(mean, log_variance))
    binned = seconds(lambda: metrics.aggregated_posterior(mean, log_variance, method="binned"))
    information = seconds(lambda: metrics.mutual_information(mean, log_variance))
    units = seconds(lambda: metrics.consistent_units(mean, log_variance))
    parts = seconds(lambda: metrics.elbo_decomposition(mean, log_variance), repeats=1)
    # Each marginal q(z_i) at every item's draw is a density of one dimension.
    column = seconds(lambda: broadcast_density(mean[:, :1], log_variance[:, :1], mean[:rows, :1]))
    whole_parts = (pair_seconds + DIMENSIONS * column) * items / rows
    whole_map = map_seconds * items / few
    return [
        ("aggregated posterior 500x500, exact", exact, whole_map, f"{few} items"),
        ("aggregated posterior 500x500, binned", binned, whole_map, f"{few} items"),
        ("mutual information, 32-D", information, pair_seconds * items / rows, f"{rows} rows"),
        ("MI, total correlation, marginals, 32-D", parts, whole_parts, f"{rows} rows"),
        ("consistent units, 32-D", units, unit_seconds * DIMENSIONS / dims, f"{dims} dimensions"),
    ]


CALLS = {
    "aggregated posterior, exact": (metrics.aggregated_posterior, 2),
    "aggregated posterior, binned": (
        lambda *q: metrics.aggregated_posterior(*q, method="binned"),
        2,
    ),
    "consistent units": (metrics.consistent_units, DIMENSIONS),
    "mutual information": (metrics.mutual_information, DIMENSIONS),
    "MI, total correlation, marginals": (metrics.elbo_decomposition, DIMENSIONS),
}
PAIRS = ("mutual information", "MI, total correlation, marginals")  # cost the square of the items


def absolute(name: str, items: int) -> tuple[float, float]:
    """Seconds of one metric at so many items, and the process's peak memory in MiB, both of a
    process of its own.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_absolute, name, items).result()


def _absolute(name: str, items: int) -> tuple[float, float]:
    call, dimensions = CALLS[name]
    arrays = posteriors(items, dimensions)
    taken = seconds(lambda: call(*arrays), repeats=1)
    return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    """Print both tables."""
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}")
    print(f"\n{'10,000 items':40}{'ours s':>9}{'broadcast s':>13}{'ratio':>8}   scaled from")
    for name, ours, theirs, measured in ratios():
        print(f"{name:40}{ours:9.3f}{theirs:13.1f}{theirs / ours:8.0f}   {measured}", flush=True)
    print(f"\n{'':40}{'items':>9}{'seconds':>13}{'peak MiB':>10}")
    for items in (10_000, 100_000, 1_000_000):
        for name in (n for n in CALLS if items < 1_000_000 or n not in PAIRS):
            taken, memory = absolute(name, items)
            print(f"{name:40}{items:9,}{taken:13.3f}{memory:10.0f}", flush=True)


if __name__ == "__main__":
    main()
