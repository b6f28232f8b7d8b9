"""What every answer of the console says to the browser, and who may talk over its socket."""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import socketio
from nicegui import Client, core
from nicegui import __version__ as nicegui_version
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from muster_console.web.cookie import COOKIE

# NiceGUI compiles templates in the browser, which takes 'unsafe-eval', and sets styles on elements; scripts run only
# with the nonce of their answer, so none that somebody manages to put into a page does.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " object-src 'none'"
)
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
#: Where NiceGUI has its own files.
_VERSIONED = f"/_nicegui/{nicegui_version}/"
#: What makes an open page load itself again; NiceGUI's script knows this word.
_RELOAD = "Implicit handshake failed"


_NOTHING = PlainTextResponse("Nothing has a NUL in its name.", 404)


class Harden:
    """Put the policies on every answer, and a fresh nonce on the scripts of every page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a page is held back until it is whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(18)
        start: Message | None = None
        page = b""

        async def hardened(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=nonce))
                headers.setdefault("Cache-Control", _keeping(scope))
                if headers.get("x-nicegui-content") == "page":
                    start = message
                    return
            elif start is not None:
                page += message.get("body", b"")
                if message.get("more_body"):
                    return
                # what people wrote stands in the page with its `<` escaped, so these are the page's own scripts
                page = page.replace(b"<script", f'<script nonce="{nonce}"'.encode())
                MutableHeaders(scope=start)["Content-Length"] = str(len(page))
                await send(start)
                message = {"type": "http.response.body", "body": page}
            await send(message)

        # PostgreSQL holds no text with NUL: whatever is asked for, nothing is called so
        nul = "\0" in scope["path"] or b"%00" in scope["query_string"]
        await (_NOTHING if nul else self._app)(scope, receive, hardened)


def never_changes(scope: Scope) -> bool:
    """Tell whether what a path names is the same for as long as this console runs: its address has a version."""
    if scope["path"].startswith("/asset/"):
        return bool(scope["query_string"].startswith(b"v="))
    path = scope["path"]
    return path.startswith(_VERSIONED) and not path.startswith(f"{_VERSIONED}dynamic_resources/")


def _keeping(scope: Scope) -> str:
    """Return how long a browser may keep an answer that says nothing: only what never changes."""
    if not scope["path"].startswith("/asset/"):
        return "no-store"
    return "public, max-age=31536000, immutable" if never_changes(scope) else "no-cache"


def guard_socket() -> None:
    """Let only pages of this console open the socket, and only with the session they were made for."""
    core.sio.eio.cors_allowed_origins = None
    go_on = core.sio.handlers["/"]["connect"]

    async def connect(sid: str, environ: dict[str, Any], auth: object = None) -> Any:
        if not _same_session(environ):
            raise socketio.exceptions.ConnectionRefusedError(_RELOAD)
        return await go_on(sid, environ, auth)

    core.sio.on("connect", connect)


def _same_session(environ: dict[str, Any]) -> bool:
    query = parse_qs(environ.get("QUERY_STRING", ""))
    client = Client.instances.get(query.get("client_id", [""])[0])
    if client is None:
        # a page from before a restart; NiceGUI lets it load itself again
        return True
    own = client.request.cookies.get(COOKIE, "")
    return hmac.compare_digest(own.encode(), _cookie(environ).encode())


def _cookie(environ: dict[str, Any]) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
