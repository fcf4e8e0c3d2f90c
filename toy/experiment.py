"""The K-category experiment with the papers' networks, batches and learning rates."""

from collections.abc import Sequence
from pathlib import Path

from lab.backbones import MLPNetwork
from lab.errors import UserError
from lab.methods import Method, parse
from lab.settings import Settings
from lab.train import Trainer
from toy.categories import REPEATS, CategoryData

ITERATIONS = 80_000
ROWS = 500  # of a batch of methods without a critic
BLOCKS = 16  # unless told otherwise, a run is measured and dumped so many times
# Options of schedules, words and features, which categories have not.
WITHOUT_EFFECT = (
    "anneal", "start", "period", "rise", "dropout", "swap", "on", "noise", "noise_epochs",
    "per_token",
)  # fmt: skip


def trainer(
    method: Method,
    folder: Path,
    categories: int = 4,
    iterations: int = ITERATIONS,
    seed: int = 0,
    lr: float | None = None,
    every: int | None = None,
    dumps: Sequence[int] | None = None,
    progress_bar: bool = True,
) -> Trainer:
    """A trainer of one toy run, measured every `every` iterations (a sixteenth of the run) and
    before training, with its latents kept at the iterations `dumps` (all of those).

    Methods with a critic follow iVAE's script: leaky ReLU, K categories drawn with replacement, 64
    rows each, Adam 1e-5 for both players. The others follow its VAE: ELU, 500 independent rows,
    Adam 2e-5. `lr` replaces both rates. Raises UserError for iterations that do not fit together.
    """
    check_options(method)
    critic = any(term.critic_steps for term in method.parts().terms)
    if categories > ROWS and not critic:
        raise UserError(f"--categories {categories}: a batch of {ROWS} rows cannot hold them")
    block = _block(iterations, every)
    kept = None if dumps is None else _kept(dumps, iterations, block)
    if critic:
        network = MLPNetwork(categories, activation="leaky_relu")
        data = CategoryData(categories, REPEATS * categories, REPEATS, block, seed, kept)
        rate = lr or 1e-5
    else:
        network = MLPNetwork(categories, activation="elu")
        data = CategoryData(categories, ROWS, 1, block, seed, kept)
        rate = lr or 2e-5
    epochs = iterations // block
    settings = Settings(epochs=epochs, lr=rate, critic_lr=rate, clip=None, seed=seed)
    return Trainer(method, network, data, settings, folder, progress_bar=progress_bar)


def _block(iterations: int, every: int | None) -> int:
    """The iterations between two measurements."""
    if every is None:
        if iterations < BLOCKS or iterations % BLOCKS:
            raise UserError(
                f"--iterations {iterations}: give a multiple of {BLOCKS}, the number of "
                "measurements, or another --every"
            )
        return iterations // BLOCKS
    if iterations % every:
        raise UserError(f"--every {every}: does not divide --iterations {iterations}")
    return every


def _kept(dumps: Sequence[int], iterations: int, block: int) -> tuple[int, ...]:
    for dump in dumps:
        if dump > iterations:
            raise UserError(f"--dumps {dump}: the run ends at iteration {iterations}")
        if dump % block:
            raise UserError(
                f"--dumps {dump}: is not measured; give --every, a divisor of it and of "
                f"--iterations {iterations}"
            )
    return tuple(sorted({*dumps}))


def check_options(method: Method) -> None:
    """Refuse what would silently do nothing: annealing, stages, noise on words, contrast of
    features.
    """
    if method.parts().pretraining:
        raise UserError(f"{method.spec}: trains in two stages of epochs, which the toy has not")
    defaults = parse(method.name).options
    for name in WITHOUT_EFFECT:
        if name in method.options and method.options[name] != defaults[name]:
            raise UserError(f"{method.spec}: {name} has no effect on the toy; leave it out")
