"""How much a calibration measures."""

from dataclasses import dataclass

from lab.errors import UserError

FEWEST, SMALLEST = 2, 64


@dataclass(frozen=True)
class Budget:
    """Seeds, and the sizes at which estimators are measured.

    `items` are the sentences of lstm2d whose posteriors are known, `decoded` those of them whose
    likelihood is estimated; `samples` are importance samples, `mixed` the draws of priorLL and
    postLL, `batches` those of the in-batch information, `steps` of critics, `populations` the
    numbers of posteriors of linear Gaussian models. Raises UserError for fewer than 2 seeds or 64
    items.
    """

    seeds: int = 5
    items: int = 512
    decoded: int = 64
    samples: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    mixed: tuple[int, ...] = (8, 32, 128)
    batches: tuple[int, ...] = (8, 32, 128)
    steps: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000)
    populations: tuple[int, ...] = (100, 300, 1000, 3000)
    dimensions: tuple[int, ...] = (2, 8, 32)

    def __post_init__(self) -> None:
        if self.seeds < FEWEST:
            raise UserError(f"--seeds {self.seeds}: a spread needs {FEWEST} or more")
        if self.items < SMALLEST:
            raise UserError(f"--items {self.items}: give {SMALLEST} or more")

    @classmethod
    def quick(cls, seeds: int = 2, items: int = SMALLEST) -> "Budget":
        """One that takes seconds: every estimator, at few and small sizes."""
        return cls(
            seeds, items, decoded=8, samples=(1, 16, 64), mixed=(8, 32), batches=(8, 32),
            steps=(10, 60), populations=(100, 300), dimensions=(2, 8),
        )  # fmt: skip

    @property
    def sizes(self) -> list[int]:
        """Numbers of items: 32 and its doubles below all of them, and all of them."""
        sizes = [32]
        while 2 * sizes[-1] < self.items:
            sizes.append(2 * sizes[-1])
        return [*sizes, self.items]
