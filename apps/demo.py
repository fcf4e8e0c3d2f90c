"""The demonstration: a few runs train in the background while the explorer shows them."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from apps.explorer import serve
from apps.explorer.server import listen
from lab.jobs import Job, Jobs

WORKERS = 2

# The four phenomena first: collapse, activity with holes, activity without, an implicit posterior.
PLAN: tuple[tuple[str, ...], ...] = (
    ("train", "grammar", "vae(anneal=2)"),
    ("train", "grammar", "dg_vae(anneal=2)"),
    ("train", "grammar", "bn_vae(anneal=2)"),
    ("toy", "clvae_plus(squared=False)", "--iterations", "4000", "--lr", "1e-4"),
    ("train", "grammar", "clvae_plus_mi(anneal=2)"),
    ("toy", "vae", "--iterations", "8000", "--lr", "2e-4"),
    ("toy", "ivae", "--iterations", "6400", "--lr", "2e-4"),
)


def demo(runs: Path, port: int, host: str, open_browser: bool) -> None:
    """Serve the explorer on `runs` and train what is missing there.

    Raises UserError if the port is taken.
    """
    listen(host, port).close()  # before anything is trained
    runs.mkdir(parents=True, exist_ok=True)
    print(
        "Training in the background; finished runs are reused. "
        "Ctrl-C stops, the same command goes on."
    )
    training = Training(runs, jobs(runs), WORKERS)
    training.start()
    try:
        serve(runs, port, host, open_browser)
    finally:
        training.stop()


def jobs(runs: Path, plan: Sequence[Sequence[str]] = PLAN) -> list[Job]:
    """The plan's commands with the folders that they train into; its specs are canonical."""
    planned = []
    for command in plan:
        corpus, spec = ("toy-4", command[1]) if command[0] == "toy" else command[1:3]
        planned.append(Job(tuple(command), (runs / corpus / spec / "0",)))
    return planned


class Training(Jobs):
    """Jobs that say when all of them are done, because the explorer stays open."""

    def run(self) -> None:
        super().run()
        if not self.stopping.is_set():
            tqdm.write("All runs are trained; the explorer stays open until Ctrl-C.")
