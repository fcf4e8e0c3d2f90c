"""The demonstration: a few runs train in the background while the explorer shows them."""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from apps.explorer import serve
from apps.explorer.server import listen
from lab.errors import UserError
from lab.runs import list_runs

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
    training = Training(runs)
    training.start()
    try:
        serve(runs, port, host, open_browser)
    finally:
        training.stop()


class Training(threading.Thread):
    """Runs the plan's commands, `WORKERS` at a time, with one bar over all epochs."""

    def __init__(self, runs: Path, plan: Sequence[Sequence[str]] = PLAN) -> None:
        super().__init__(daemon=True)
        self.runs, self.waiting, self.stopping = runs, deque(plan), threading.Event()
        self.total, self.processes = len(plan), []

    def run(self) -> None:
        layout = "{n:.1f} of {total} runs |{bar:30}| {elapsed}  {desc}"
        with tqdm(total=self.total, bar_format=layout) as bar:
            while (self.waiting or self.processes) and not self.stopping.is_set():
                self._collect()
                while self.waiting and len(self.processes) < WORKERS:
                    self._launch(self.waiting.popleft())
                self._show(bar)
                time.sleep(1)
        if not self.stopping.is_set():
            tqdm.write("All runs are trained; the explorer stays open until Ctrl-C.")

    def stop(self) -> None:
        """Let running trainings end as Ctrl-C would."""
        self.stopping.set()
        self.join()
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            process.communicate()

    def _launch(self, command: Sequence[str]) -> None:
        argv = [
            sys.executable,
            "-m",
            "lab",
            *command,
            "--runs",
            str(self.runs),
            "--threads",
            "1",
            "--quiet",
            "--resume",
        ]
        process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for us to pass on, once
        )
        self.processes.append((command, process))

    def _collect(self) -> None:
        for entry in [e for e in self.processes if e[1].poll() is not None]:
            self.processes.remove(entry)
            output = entry[1].communicate()[0].strip().splitlines()
            tqdm.write(output[-1] if output else f"{' '.join(entry[0])}: no output")

    def _show(self, bar: tqdm) -> None:
        try:
            runs, _ = list_runs(self.runs)
        except UserError:
            return
        bar.n = sum(
            r.info["epoch"] / r.info["epochs_planned"] for r in runs if "epochs_planned" in r.info
        )
        running = [f"{r.spec} {r.time(r.info['epoch'])}" for r in runs if r.status == "running"]
        bar.set_description_str(", ".join(running))
