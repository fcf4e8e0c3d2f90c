"""The K-category experiment with the papers' networks, batches and learning rates."""

from pathlib import Path

from lab.backbones import MLPNetwork
from lab.errors import UserError
from lab.methods import Method, parse
from lab.settings import Settings
from lab.train import Trainer
from toy.categories import REPEATS, CategoryData

ITERATIONS = 80_000
DUMPS = 16
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
    progress_bar: bool = True,
) -> Trainer:
    """A trainer of one toy run with 16 equally spaced dumps and one before training.

    Methods with a critic follow iVAE's script: leaky ReLU, K categories drawn with replacement, 64
    rows each, Adam 1e-5 for both players. The others follow its VAE: ELU, 500 independent rows,
    Adam 2e-5. `lr` replaces both rates. Raises UserError if the iterations do not fill the dumps
    evenly.
    """
    _check_options(method)
    if iterations < DUMPS or iterations % DUMPS:
        raise UserError(
            f"--iterations {iterations}: give a multiple of {DUMPS}, the number of dumps"
        )
    block = iterations // DUMPS
    if any(term.critic_steps for term in method.parts().terms):
        network = MLPNetwork(categories, activation="leaky_relu")
        data = CategoryData(categories, REPEATS * categories, REPEATS, block, seed)
        rate = lr or 1e-5
    else:
        network = MLPNetwork(categories, activation="elu")
        data = CategoryData(categories, 500, 1, block, seed)
        rate = lr or 2e-5
    settings = Settings(epochs=DUMPS, lr=rate, critic_lr=rate, clip=None, seed=seed)
    return Trainer(method, network, data, settings, folder, progress_bar=progress_bar)


def _check_options(method: Method) -> None:
    """Refuse what would silently do nothing: annealing, stages, noise on words, contrast of
    features.
    """
    if method.parts().pretraining:
        raise UserError(f"{method.spec}: trains in two stages of epochs, which the toy has not")
    defaults = parse(method.name).options
    for name in WITHOUT_EFFECT:
        if name in method.options and method.options[name] != defaults[name]:
            raise UserError(f"{method.spec}: {name} has no effect on the toy; leave it out")
