"""Estimates by critics that are trained on lstm2d, with the terms that methods train with."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from lab.calibration.information import ITEMS, decomposition, gaussian_weights
from lab.calibration.known import FINE, FourGaussians, Known
from lab.calibration.measured import Shot
from lab.corpora.latent_grid import Grid
from lab.model import State, Term
from lab.posteriors import Sizes
from lab.posteriors.gaussian import DiagonalGaussian
from lab.schedules import constant
from lab.terms import DualKL, MutualInformation

WIDTHS, RATE, BATCH = (64, 64), 1e-3, 128
JUDGED = 16  # draws of each item that a critic is judged by, all in one batch

CRITICS: dict[str, Callable[[], Term]] = {
    "dual": lambda: DualKL(constant(1.0), joint=True),
    "dual, circle loss": lambda: DualKL(constant(1.0), joint=True, bound="circle"),
    "MINE": lambda: MutualInformation(constant(1.0)),
}
QUANTITIES = {
    "kl_dual": "kl",
    "aggregated_kl_dual": "aggregated_kl",
    "mi_dual": "mi",
    "mi_mine": "mi",
}


def critics(known: Known, seed: int) -> Iterator[Shot]:
    """KL(q(z|x) ‖ p(z)), KL(q(z) ‖ p(z)) and MI of all items by steps of training, on fresh draws.

    Critics see the parameters of q(z|x) as features of the sentence.
    """
    mean, log_variance = known.encoders["fitted"]
    truth, draw = truths(mean, log_variance), _sampler(mean, log_variance)
    for name, build in CRITICS.items():
        torch.manual_seed(seed)
        term = build()
        term.build(Sizes(features=4, latent=2, critic_widths=WIDTHS))
        for step, values in _trained(term, draw, len(mean), known.budget.steps):
            for key, value in values.items():
                quantity = QUANTITIES[key]
                claim = "none" if key == "mi_dual" else "below"
                yield Shot(
                    ITEMS, quantity, name, "critic steps", step, value,
                    truth[quantity], claim,
                )  # fmt: skip


def truths(mean: np.ndarray, log_variance: np.ndarray) -> dict[str, float]:
    """MI, and KL of posteriors and of their mixture to the prior of lstm2d, by quadrature."""
    information = decomposition(mean, log_variance)["mutual_information"]
    mixture = gaussian_weights(mean, log_variance).mean(0)
    log_prior = Grid.of(FINE).log_mass.numpy()
    aggregated = float((mixture * (np.log(mixture) - log_prior)).sum())
    return {"mi": information, "aggregated_kl": aggregated, "kl": information + aggregated}


def _sampler(mean: np.ndarray, log_variance: np.ndarray) -> Callable[[torch.Tensor], State]:
    """A function of item numbers [B] that draws a z of each."""
    parameters = np.hstack([mean, log_variance])
    standard = (parameters - parameters.mean(0)) / parameters.std(0)
    q, h = (torch.from_numpy(x).float() for x in (parameters, standard))

    def draw(items: torch.Tensor) -> State:
        posterior = DiagonalGaussian(*q[items].chunk(2, -1))
        return State(None, h[items], posterior, posterior.sample(), prior=FourGaussians())

    return draw


def _trained(
    term: Term, draw: Callable[[torch.Tensor], State], count: int, steps: tuple[int, ...]
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train a term's critics; its values after each number of steps."""
    optimiser = torch.optim.Adam(term.parameters(), RATE)
    everything = torch.arange(count).repeat(JUDGED)
    for step in range(1, max(steps) + 1):
        state = draw(torch.randint(count, (BATCH,)))
        loss = term.dual(state) if term.critic_steps else term(state)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in steps:
            with torch.no_grad():
                values = term.values(draw(everything))
            yield step, {key: float(value) for key, value in values.items()}
