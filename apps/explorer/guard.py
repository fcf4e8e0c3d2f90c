"""Who may ask the explorer, and what its pages may do."""

import hmac
import ipaddress
import socket
from collections.abc import Callable, Sequence
from html import escape
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from flask import Flask, Response, abort, make_response, request

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ASK = (
    "This explorer is open only to those who have its token. Use the address that "
    "<code>latentlab explore</code> printed, the one that ends in ?token=…"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guard(
    server: Flask, host: str, token: str | None, scripts: Callable[[], Sequence[str]]
) -> None:
    """Refuse foreign host names (DNS rebinding), foreign pages and, with a token, whoever lacks it;
    let pages reach nothing but this server.

    `scripts` tells the hashes of the scripts that stand in the pages themselves.
    """

    @server.before_request
    def check() -> Response | None:
        if not allowed(request.host, host):
            abort(403, "This explorer answers only under its own address.")
        origin = request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != request.host:
            abort(403, "This explorer answers only its own pages.")
        return None if token is None else _admit(token)

    @server.after_request
    def add_policy(response: Response) -> Response:
        response.headers.update({**HEADERS, "Content-Security-Policy": policy(scripts())})
        return response


def policy(scripts: Sequence[str]) -> str:
    """The Content-Security-Policy; plotly's WebGL compiles its drawing code, hence unsafe-eval."""
    hashes = " ".join(scripts)
    return (
        f"default-src 'self'; script-src 'self' 'unsafe-eval' {hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
        "frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
    )


def allowed(requested: str, host: str) -> bool:
    """Whether a Host header names this server: loopback, or its own name when bound wider."""
    name = _split(requested)[0]
    if name in LOOPBACK or name == host.lower():
        return True
    return host not in LOOPBACK and (name == socket.gethostname().lower() or _is_address(name))


def _admit(token: str) -> Response | None:
    """None for a browser that showed the token before; else its first answer, or a refusal."""
    # Cookies do not tell ports apart, and several explorers may run on one machine.
    cookie = f"latent-lab-{_split(request.host)[1]}"
    if _same(request.cookies.get(cookie), token):
        return None
    if not _same(request.args.get("token"), token):
        return _page(f"<p>{ASK}</p><p><a href='{_here()}'>Try again</a></p>", 403)
    # Not a redirect: the browser would not send a strict cookie along if the link was on a page.
    answer = _page(f"<meta http-equiv='refresh' content='0; url={_here()}'>", 200)
    answer.set_cookie(cookie, token, httponly=True, samesite="Strict")
    return answer


def _same(given: str | None, token: str) -> bool:
    return hmac.compare_digest((given or "").encode(), token.encode())


def _here() -> str:
    """The address asked for, without the token."""
    kept = [
        pair for pair in parse_qsl(request.query_string.decode("latin-1")) if pair[0] != "token"
    ]
    # A path of two slashes would name another host.
    path = "/" + quote(request.path.lstrip("/\\"))
    return escape(path + (f"?{urlencode(kept)}" if kept else ""), quote=True)


def _page(body: str, status: int) -> Response:
    head = "<!DOCTYPE html><meta charset='utf-8'><title>Latent Lab</title>"
    return make_response(head + body, status, {"Cache-Control": "no-store"})


def _split(host: str) -> tuple[str, int]:
    """Name and port of a Host header; "" as the name of one that makes no sense."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").lower(), parts.port or 80
    except ValueError:
        return "", 80


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
