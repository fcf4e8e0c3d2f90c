"""The explorer: a local web page that compares the runs in a folder while they train."""

from apps.explorer.app import create_app
from apps.explorer.server import serve

__all__ = ["create_app", "serve"]
