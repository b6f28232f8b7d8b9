"""What becomes of odd answers of a webhook's receiver: drawn out, cut off, very long, or no answer at all."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from muster_core.errors import TargetUnavailable
from muster_core.exports.connection import WebhookSecret, WebhookTarget
from muster_core.security.address import read_allowed
from muster_core.security.outbound import Guard
from muster_exporter.sinks.webhook import WebhookSink

pytestmark = pytest.mark.integration

SECRET = WebhookSecret.model_validate(
    {"signing_secret": f"whsec_{base64.b64encode(b'k' * 32).decode()}"}
)
Answer = Callable[[socket.socket, threading.Event], None]


def _take(client: socket.socket) -> None:
    """Read one request, head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    ]
    while len(body) < length:
        body += client.recv(65_536)


@contextmanager
def answering(answer: Answer, *, timeout_seconds: float = 30) -> Iterator[WebhookSink]:
    """Return a sink whose receiver takes every request and lets `answer` do the rest."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                _take(client)
                answer(client, over)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    target = WebhookTarget(name="hook", kind="webhook", url=url, timeout_seconds=timeout_seconds)
    try:
        with WebhookSink(target, SECRET, Guard(allowed=read_allowed("127.0.0.1"))) as sink:
            yield sink
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)


def said(body: bytes, *, length: int | None = None) -> Answer:
    """Answer 200 with this body, which may be shorter than it was announced."""
    announced = len(body) if length is None else length
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {announced}\r\n\r\n".encode()
    return lambda client, _: client.sendall(head + body)


def drawn_out(first: bytes, piece: bytes) -> Answer:
    """Answer piece by piece, for ever."""

    def answer(client: socket.socket, over: threading.Event) -> None:
        client.sendall(first)
        while not over.wait(0.05):
            client.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["headers", "body", "body of no length", "interim answers"],
)
def test_an_answer_that_is_drawn_out_is_given_up_in_time(first, piece):
    with (
        answering(drawn_out(first, piece), timeout_seconds=1) as sink,
        pytest.raises(TargetUnavailable, match="within 1 seconds"),
    ):
        sink.send("id", b"{}")


def test_an_answer_that_breaks_off_acknowledges_nothing():
    body = json.dumps({"refused": [{"row": 0, "reason": "no"}]}).encode()
    with (
        answering(said(body[:20], length=len(body))) as sink,
        pytest.raises(TargetUnavailable, match="IncompleteRead"),
    ):
        sink.send("id", b"{}")


def test_every_row_of_the_largest_message_may_be_refused():
    message = b'{"customer_id":12345},' * 45_000
    refused = [{"row": n, "reason": "x" * 64} for n in range(45_000)]
    body = json.dumps({"refused": refused}).encode()
    with answering(said(body)) as sink:
        assert len(sink.send("id", message)) == 45_000


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"{", b"\xff\xfe", b"9" * 5_000, b"null", b'{"refused": {"row": 1}}'],
    ids=["nested", "cut", "no UTF-8", "huge number", "null", "no list"],
)
def test_an_answer_that_lists_no_rows_refuses_none(body):
    with answering(said(body)) as sink:
        assert sink.send("id", b"{}") == {}


def test_an_answer_without_end_is_not_read_to_its_end():
    with answering(drawn_out(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 1_000_000)) as sink:
        assert sink.send("id", b"{}") == {}
