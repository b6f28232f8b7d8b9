"""What comes in: no larger than it may be, and in an encoding that is taken."""

from __future__ import annotations

import math
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from muster_console.api.problem import UnusableRequest, problem_response
from muster_core.documents.text import Written, read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.limit import unfit_text

#: Bytes of one request body.
LARGEST_BODY = 1_000_000
#: Bytes of a body that holds the files of a folder, and the paths that take one.
LARGEST_FOLDER = 16_000_000
_FOLDERS = frozenset(
    f"/api/v1/{path}" for path in ("definitions", "plan/files", "apply/files", "rules/check")
)
_TYPES = ("application/json", "application/yaml", "text/yaml")

#: How the OpenAPI document describes a body that is read as text: files hold the same.
DOCUMENT_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "object"}} for kind in _TYPES},
    }
}


class Given(BaseModel):
    """What the body of a request holds: no field that nobody offered, and only what a column can hold."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        # JSON as Python reads it can write a zero and half a character in a text, and numbers that are none:
        # no column holds them and no answer can repeat them
        waiting = [data]
        while waiting:
            match waiting.pop():
                case str(text) if reason := unfit_text(text):
                    raise ValueError(f"in it {reason}")
                case float(number) if not math.isfinite(number):
                    raise ValueError("a number in it is not finite")
                case dict(fields):
                    waiting += [*fields, *fields.values()]
                case list(values):
                    waiting += values
        return data


class BodyLimit:
    """Refuse a body that says it is too large, or turns out to be, or comes compressed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = LARGEST_FOLDER if scope["path"] in _FOLDERS else LARGEST_BODY
        words = f"A body has at most {most // 1_000_000} MB here."
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        if not said.isdigit() or int(said) > most:
            await problem_response(413, "too_large", words)(scope, receive, send)
            return
        if headers.get(b"content-encoding", b"identity") != b"identity":
            await problem_response(415, "unusable_request", "A body must not be compressed.")(
                scope, receive, send
            )
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise UnusableRequest(413, words)
            return message

        await self._app(scope, counted, send)


async def document_text(request: Request) -> str:
    """Return the document in the body of a request, as text.

    Raises:
        UnusableRequest: it is not JSON or YAML in UTF-8.
    """
    kind, _, options = request.headers.get("content-type", "").partition(";")
    charset = options.partition("charset=")[2].strip().strip('"').lower() or "utf-8"
    if kind.strip().lower() not in _TYPES or charset not in ("utf-8", "utf8"):
        raise UnusableRequest(415, f"Send {' or '.join(_TYPES)} in UTF-8.")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as exc:
        raise UnusableRequest(400, "The body is not text in UTF-8.") from exc


def one_document(text: str) -> Written:
    """Return the one document a body holds, with the lines of what stands in it.

    Raises:
        InvalidInput: it is no YAML or JSON, or holds none or several.
    """
    found = read_text(text, file="body")
    if len(found) != 1:
        raise InvalidInput([Problem(message="the body holds one document")])
    return found[0]
