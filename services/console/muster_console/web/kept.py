"""Files that never change under their address: read and compressed once, and given out of memory from then on.

NiceGUI answers each of the forty files of a page through several layers, and they were compressed anew for every
browser; on a small machine that was a good part of a first visit.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes kept at the most; everything a browser asks for comes to less than a tenth.
_MOST = 32_000_000
#: What a request asks for that an answer out of memory would not give.
_CONDITIONS = ("range", "if-none-match", "if-modified-since")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Kept:
    """Keep the answers to what `never_changes` names; everything else passes through."""

    def __init__(
        self, app: ASGIApp, *, never_changes: Callable[[Scope], bool], most: int = _MOST
    ) -> None:
        """Stand before `app`; at most `most` bytes are kept, whatever is asked for."""
        self._app = app
        self._never_changes = never_changes
        self._room = most
        self._kept: dict[tuple[str, bool], _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not self._never_changes(scope):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        if any(name in asked for name in _CONDITIONS):
            await self._app(scope, receive, send)
            return
        # what follows the path only tells versions apart: whoever asks for many is given the same
        key = (scope["path"], "gzip" in asked.get("accept-encoding", ""))
        answer = self._kept.get(key) or await self._made(key, scope, receive)
        start = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": list(answer.headers),
        }
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _made(self, key: tuple[str, bool], scope: Scope, receive: Receive) -> _Answer:
        start: Message = {}
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        body = b"".join(parts)
        headers = MutableHeaders(raw=list(start["headers"]))
        # where a browser went away in the middle, not everything was sent
        whole = start["status"] == 200 and headers.get("content-length") == str(len(body))
        if whole and key[1]:
            packed = await asyncio.to_thread(gzip.compress, body, mtime=0)
            # fonts and pictures are packed already
            if len(packed) < 0.9 * len(body):
                body = packed
                headers["Content-Encoding"] = "gzip"
                headers["Content-Length"] = str(len(body))
        headers.add_vary_header("Accept-Encoding")
        answer = _Answer(status=start["status"], headers=headers.raw, body=body)
        # what is meant for one browser is nobody else's
        shared = whole and "set-cookie" not in headers
        if shared and key not in self._kept and len(body) <= self._room:
            self._room -= len(body)
            self._kept[key] = answer
        return answer
