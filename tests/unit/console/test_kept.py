"""What never changes is made and compressed once; everything else is asked for each time."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from muster_console.web.kept import Kept

TEXT = "let words = 'the same ones';\n" * 1_000


class Shop:
    """Answers with a script, and counts how often it was asked."""

    def __init__(self, *, most: int = 1_000_000) -> None:
        self.asked: list[str] = []
        paths = {
            "/still/script.js": self._script,
            "/still/font": self._font,
            "/still/mine": self._mine,
            "/page": self._script,
        }
        app = Starlette(routes=[Route(path, answer) for path, answer in paths.items()])
        app.add_middleware(
            Kept, never_changes=lambda scope: scope["path"].startswith("/still/"), most=most
        )
        self._app = app

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                given = {"Accept-Encoding": "identity", **headers}
                return await client.request(method, path, headers=given)

        return asyncio.run(answer())

    async def _script(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return PlainTextResponse(TEXT, headers={"ETag": "e", "Content-Type": "text/javascript"})

    async def _font(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return Response(bytes(range(256)), media_type="font/woff2")

    async def _mine(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return PlainTextResponse("x", headers={"Set-Cookie": f"of={len(self.asked)}"})


def test_what_sets_a_cookie_is_never_kept() -> None:
    shop = Shop()
    assert [shop.get("/still/mine").headers["set-cookie"] for _ in range(2)] == ["of=1", "of=2"]


def test_it_is_made_once_for_those_who_take_it_compressed_and_once_for_the_others() -> None:
    shop = Shop()
    for _ in range(3):
        plain = shop.get("/still/script.js")
        packed = shop.get("/still/script.js?v=other", **{"Accept-Encoding": "br, gzip"})
        assert plain.text == packed.text == TEXT
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) == len(gzip.compress(TEXT.encode()))
        for answer in (plain, packed):
            assert answer.headers["vary"] == "Accept-Encoding"
            assert (answer.headers["etag"], answer.headers["content-type"][:15]) == (
                "e",
                "text/javascript",
            )
    assert shop.asked == ["/still/script.js"] * 2


def test_what_is_packed_already_is_left_as_it_is() -> None:
    answer = Shop().get("/still/font", **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.content == bytes(range(256))


def test_what_changes_and_what_is_asked_with_conditions_passes_through() -> None:
    shop = Shop()
    for _ in range(2):
        assert shop.get("/page").text == TEXT
        assert shop.get("/still/script.js", **{"If-None-Match": "e"}).text == TEXT
        assert shop.get("/still/script.js", Range="bytes=0-1").text == TEXT
        assert shop.get("/still/script.js", "HEAD").text == ""
        assert shop.get("/still/nothing").status_code == 404
    assert len(shop.asked) == 8


def test_no_more_is_kept_than_there_is_room_for() -> None:
    shop = Shop(most=1_000)
    for _ in range(2):
        assert shop.get("/still/script.js").text == TEXT
        assert shop.get("/still/font").content == bytes(range(256))
    assert shop.asked == ["/still/script.js", "/still/font", "/still/script.js"]


def test_an_answer_that_was_cut_off_is_not_kept() -> None:
    async def cut(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"12")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half of"})

    kept = Kept(cut, never_changes=lambda _: True)
    scope = {"type": "http", "method": "GET", "path": "/still/x", "headers": []}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nobody waits for a body")

    asyncio.run(kept(scope, receive, send))
    assert sent[1]["body"] == b"half of"
    assert kept._kept == {}
