"""A real HTTP server that takes webhooks, and does with each request what a test says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What becomes of a request: its status, its headers and its body; None hangs up without an answer.
Answer = tuple[int, dict[str, str], bytes] | None
OK: Answer = (204, {}, b"")


@dataclass(kw_only=True)
class Receiver:
    """What arrived: every request that was taken with 2xx, or whose answer was lost behind it."""

    url: str = ""
    key: bytes = b""
    #: Decides about a request by its message id and body; told apart by how often it was called.
    behave: Callable[[str, bytes], Answer] = lambda _id, _body: OK
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    #: Requests whose signature does not fit; each is answered with 401.
    forged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies(self) -> dict[str, set[bytes]]:
        """Return the different bodies that came under each id."""
        found: dict[str, set[bytes]] = {}
        for message_id, body in self.taken:
            found.setdefault(message_id, set()).add(body)
        return found


@contextmanager
def running_receiver(key: bytes) -> Iterator[Receiver]:
    """Run a receiver that checks signatures with `key`."""
    receiver = Receiver(key=key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            message_id, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
            signed = b".".join((message_id.encode(), at.encode(), body))
            digest = base64.b64encode(hmac.digest(receiver.key, signed, hashlib.sha256)).decode()
            if self.headers["webhook-signature"] != f"v1,{digest}":
                receiver.forged += 1
                self._answer(401, {}, b"")
                return
            with receiver.lock:
                answer = receiver.behave(message_id, body)
                if answer is None or 200 <= answer[0] < 300:
                    receiver.taken.append((message_id, body))
            if answer is None:
                self.close_connection = True
                return
            self._answer(*answer)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
