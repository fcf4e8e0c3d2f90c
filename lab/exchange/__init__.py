"""Latents of other tools in, and runs out to other tools."""

from lab.exchange.exporting import EXPORTS, export_run
from lab.exchange.importing import ALIASES, import_latents

__all__ = ["ALIASES", "EXPORTS", "export_run", "import_latents"]
