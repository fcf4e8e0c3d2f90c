"""Work that outlasts a request: queued, watched by browsers, stopped when nobody waits for it."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from lab.errors import UserError

ABANDONED = 180.0  # seconds without a question; a browser asks for a hidden page once a minute
LOG = logging.getLogger(__name__)


class Stopped(Exception):
    """Raised within a job that nobody waits for any more."""


@dataclass(frozen=True)
class Progress:
    """Where a job stands: "waiting", "running", "done" or "failed"; `share` done, from 0 to 1."""

    state: str = "waiting"
    share: float = 0.0
    words: str = "Waiting for another computation to end."


@dataclass(eq=False)
class Job:
    """One piece of work, and by browser when it was last asked for."""

    work: "Work"
    progress: Progress = field(default_factory=Progress)
    watchers: dict[str, float] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)
    at_end: Callable[[], None] | None = None

    def report(self, share: float, words: str) -> None:
        """Say how far the work is. Raises Stopped if it should end."""
        if self.ending.is_set() or self.abandoned():
            raise Stopped
        self.progress = Progress("running", share, words)

    def on_stop(self, end: Callable[[], None]) -> None:
        """What interrupts the work at once; called from the thread that stops it."""
        self.at_end = end
        if self.ending.is_set():
            end()

    def stop(self) -> None:
        """Let the work end as soon as it can."""
        self.ending.set()
        if self.at_end is not None:
            self.at_end()

    def abandoned(self) -> bool:
        """Whether no browser has asked for it lately."""
        return all(time.monotonic() - seen > ABANDONED for seen in self.watchers.values())


Work = Callable[[Job], None]


class Jobs:
    """Jobs by key, at most `workers` at a time, in threads that end with the queue and the server.

    `idle` is called when the last thread ends.
    """

    def __init__(self, workers: int = 1, idle: Callable[[], None] | None = None) -> None:
        self.workers, self.idle = workers, idle
        self.threads = 0
        self._jobs: dict[Hashable, Job] = {}
        self._lock = threading.RLock()

    def want(self, browser: str, works: Mapping[Hashable, Work]) -> dict[Hashable, Progress]:
        """All that this browser waits for from now on, and where each job stands.

        Two browsers that want the same share one job; it stops when neither does. Who was told of
        "done" no longer waits; "failed" is told until the key is let go or forgotten.
        """
        with self._lock:
            for key, work in works.items():
                job = self._jobs.setdefault(key, Job(work))
                job.watchers[browser] = time.monotonic()
            told = {key: self._jobs[key].progress for key in works}
            for key, job in list(self._jobs.items()):
                if key not in works or told[key].state == "done":
                    self._leave(key, job, browser)
            while self.threads < min(self.workers, self._count("waiting") + self._count("running")):
                self.threads += 1
                threading.Thread(target=self._run, name="explorer-job", daemon=True).start()
            return told

    def forget(self, key: Hashable) -> None:
        """Let a job that failed be tried again."""
        with self._lock:
            if key in self._jobs and self._jobs[key].progress.state == "failed":
                del self._jobs[key]

    def _leave(self, key: Hashable, job: Job, browser: str) -> None:
        job.watchers.pop(browser, None)
        if job.abandoned():
            del self._jobs[key]
            job.stop()

    def _count(self, state: str) -> int:
        return sum(job.progress.state == state for job in self._jobs.values())

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.work(job)
                job.progress = Progress("done", 1.0, "")
            except Stopped:
                self._drop(job)
            except UserError as error:
                job.progress = Progress("failed", 0.0, str(error))
            except Exception as error:
                LOG.exception("a job failed")
                job.progress = Progress("failed", 0.0, f"This failed: {type(error).__name__}.")
            finally:
                with self._lock:
                    job.at_end = None  # what it would interrupt is another job's by now

    def _drop(self, ended: Job) -> None:
        with self._lock:
            self._jobs = {key: job for key, job in self._jobs.items() if job is not ended}

    def _next(self) -> Job | None:
        with self._lock:
            for job in self._jobs.values():
                if job.progress.state == "waiting":
                    job.progress = Progress("running", 0.0, "Starting.")
                    return job
            self.threads -= 1
            if not self.threads and self.idle is not None:
                self.idle()
            return None
