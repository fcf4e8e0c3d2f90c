"""Trainings in processes of their own, a few at a time, with one bar over their runs."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lab.errors import UserError
from lab.runs import Run, list_runs

PARENT = "LATENTLAB_PARENT"  # the process that a job must not outlive


@dataclass(frozen=True)
class Job:
    """The arguments of one `latentlab` command and the folders of the runs that it trains."""

    command: tuple[str, ...]
    folders: tuple[Path, ...]


def follow_parent() -> None:
    """End this process as SIGTERM does once the one that launched it as a job is gone."""
    parent = os.environ.get(PARENT)
    if parent:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


class Jobs(threading.Thread):
    """Runs jobs, `workers` at a time, each on one thread and with --resume, into the folder `runs`.

    `quiet` leaves out the bar and what jobs report, unless they broke.
    """

    def __init__(self, runs: Path, jobs: Sequence[Job], workers: int, quiet: bool = False) -> None:
        super().__init__(daemon=True)
        self.runs, self.waiting, self.workers, self.quiet = runs, deque(jobs), workers, quiet
        self.folders = {folder.resolve() for job in jobs for folder in job.folders}
        self.running: list[tuple[Job, subprocess.Popen[str]]] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        layout = "{n:.1f} of {total} runs |{bar:30}| {elapsed}  {desc}"
        hidden = True if self.quiet else None  # None: where the output is no terminal
        with tqdm(total=len(self.folders), bar_format=layout, disable=hidden) as bar:
            while (self.waiting or self.running) and not self.stopping.is_set():
                self._collect()
                while self.waiting and len(self.running) < self.workers:
                    self._launch(self.waiting.popleft())
                self._show(bar)
                self.stopping.wait(1)

    def stop(self) -> None:
        """Let running trainings end as Ctrl-C would."""
        self.stopping.set()
        self.join()
        for _, process in self.running:
            process.terminate()
        for _, process in self.running:
            process.communicate()

    def _launch(self, job: Job) -> None:
        options = ["--runs", str(self.runs), "--threads", "1", "--quiet", "--resume"]
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *job.command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for us to pass on, once
            env=os.environ | {PARENT: str(os.getpid())},
        )
        self.running.append((job, process))

    def _collect(self) -> None:
        for entry in [e for e in self.running if e[1].poll() is not None]:
            self.running.remove(entry)
            job, process = entry
            output = process.communicate()[0].strip()
            broke = process.returncode not in (0, 1) or "Traceback (most recent" in output
            if broke or not self.quiet:
                tqdm.write(output or f"{' '.join(job.command)}: no output", file=sys.stderr)

    def _show(self, bar: tqdm) -> None:
        runs = self._own()
        bar.n = sum(
            r.info["epoch"] / r.info["epochs_planned"] for r in runs if "epochs_planned" in r.info
        )
        running = [f"{r.id} {r.time(r.info['epoch'])}" for r in runs if r.status == "running"]
        bar.set_description_str(", ".join(running[:3]) + (" …" if len(running) > 3 else ""))

    def _own(self) -> list[Run]:
        try:
            runs, _ = list_runs(self.runs)
        except UserError:
            return []
        return [r for r in runs if r.folder.resolve() in self.folders]
