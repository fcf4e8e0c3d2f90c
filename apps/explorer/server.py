"""Serving the explorer on this machine only, unless told otherwise."""

import logging
import secrets
import socket
import webbrowser
from pathlib import Path

from apps.explorer.guard import LOOPBACK
from lab.errors import UserError

EVERYWHERE = ("0.0.0.0", "::")


def serve(
    root: str | Path, port: int = 8050, host: str = "127.0.0.1", open_browser: bool = True
) -> None:
    """Serve the explorer of the runs below `root` until interrupted; beyond this machine only to
    those who know the token that is printed.

    Raises UserError if there is no such folder or the port is taken.
    """
    from waitress.server import create_server

    from apps.explorer.app import LARGEST_REQUEST, create_app

    if not Path(root).is_dir():
        raise UserError(f"{root}: no such folder; train something into it or name another")
    bound = listen(host, port)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    app = create_app(root, host, token)
    server = create_server(
        app.server, sockets=[bound], threads=8, ident=None, max_request_body_size=LARGEST_REQUEST
    )
    address = address_of(host, port, token)
    print(f"The explorer shows {root} at {address}  (Ctrl-C ends it)", flush=True)
    if open_browser:
        webbrowser.open(address)
    try:
        server.run()
    finally:
        server.close()


def address_of(host: str, port: int, token: str | None = None) -> str:
    """What to type into a browser, with the token where one is needed."""
    name = "localhost" if host in LOOPBACK else socket.gethostname() if host in EVERYWHERE else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to that address. Raises UserError if another program has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot serve on {host}:{port} ({error.strerror}); choose another --port"
        ) from error
