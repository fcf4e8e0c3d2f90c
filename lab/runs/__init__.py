"""The run folder: open files that training writes and everything else only reads."""

from lab.runs.foreign import write_latents
from lab.runs.layout import FORMAT_VERSION
from lab.runs.reader import Latents, Run, list_runs, open_run
from lab.runs.writer import RunWriter

__all__ = [
    "FORMAT_VERSION",
    "Latents",
    "Run",
    "RunWriter",
    "list_runs",
    "open_run",
    "write_latents",
]
