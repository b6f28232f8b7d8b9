"""The session of a person in a browser: a token of half a day in a cookie that no script reads.

The token is kept in the control database as its SHA-256, so signing out, disabling somebody and revoking the token
end the session at once, on every console. The REST API never looks at cookies.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from muster_console.operation.access import SIGNED_IN_FOR

COOKIE = "muster_session"


def session_token(request: Request) -> str | None:
    """Return the token a browser came with."""
    return request.cookies.get(COOKIE)


def keep_session(response: Response, request: Request, token: str) -> None:
    """Give the browser its token, for as long as it is valid."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SIGNED_IN_FOR.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def end_session(response: Response) -> None:
    """Take the token back."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")


def same_origin(request: Request) -> bool:
    """Tell whether a form was sent from a page of this console; without a word of the browser it was not."""
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return request.headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def local_path(given: str | None) -> str:
    """Return where to go after signing in: a path of this console, never another place."""
    if given and given.startswith("/") and given.isprintable() and "\\" not in given:
        parts = urlsplit(given)
        if not parts.scheme and not parts.netloc and not given.startswith("//"):
            return given
    return "/"
