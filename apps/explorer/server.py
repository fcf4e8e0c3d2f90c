"""Serving the explorer on this machine only, unless told otherwise."""

import ipaddress
import logging
import socket
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from lab.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)


def serve(
    root: str | Path, port: int = 8050, host: str = "127.0.0.1", open_browser: bool = True
) -> None:
    """Serve the explorer of the runs below `root` until interrupted.

    Raises UserError if there is no such folder or the port is taken.
    """
    from waitress.server import create_server

    from apps.explorer.app import create_app

    if not Path(root).is_dir():
        raise UserError(f"{root}: no such folder; train something into it or name another")
    bound = listen(host, port)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(create_app(root, host).server, sockets=[bound], threads=8, ident=None)
    address = f"http://{'localhost' if host in LOOPBACK else host}:{port}/"
    print(f"The explorer shows {root} at {address}  (Ctrl-C ends it)", flush=True)
    if open_browser:
        webbrowser.open(address)
    try:
        server.run()
    finally:
        server.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to that address. Raises UserError if another program has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot serve on {host}:{port} ({error.strerror}); choose another --port"
        ) from error


def guard(server: Flask, host: str) -> None:
    """Refuse foreign host names (DNS rebinding) and let pages reach nothing but this server."""

    @server.before_request
    def check_host() -> None:
        if not allowed(request.host, host):
            abort(403, "This explorer answers only under its own address.")

    @server.after_request
    def add_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def allowed(requested: str, host: str) -> bool:
    """Whether a Host header names this server: loopback, or its own name when bound wider."""
    name = (urlsplit(f"//{requested}").hostname or "").lower()
    if name in LOOPBACK or name == host.lower():
        return True
    return host not in LOOPBACK and (name == socket.gethostname().lower() or _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
