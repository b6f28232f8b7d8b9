"""A commit whose answer is lost: nobody knows whether it happened, and nothing happens twice for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from tests.integration.runs.conftest import LEASE, Desk

from muster_core.errors import PartUnavailable
from muster_core.storage.database import open_database, transaction
from muster_core.storage.run import claim_batch, publish, reap, release_unknown

pytestmark = pytest.mark.integration


class ForgetfulProxy:
    """Passes everything on to PostgreSQL, but breaks off instead of the answer to every n-th COMMIT."""

    def __init__(self, host: str, port: int, *, every: int) -> None:
        self._target = (host, port)
        self._every = every
        self.commits = 0
        self.forgotten = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        forget = threading.Event()

        def back() -> None:
            with suppress(OSError):
                while data := server.recv(65_536):
                    if forget.is_set():
                        break
                    client.sendall(data)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        answers = threading.Thread(target=back, daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(65_536):
                if b"COMMIT\x00" in data:
                    self.commits += 1
                    if self.commits % self._every == 0:
                        self.forgotten += 1
                        forget.set()
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        answers.join()
        client.close()
        server.close()


@pytest.fixture
def proxy(database_url: str) -> Iterator[ForgetfulProxy]:
    url = make_url(database_url)
    proxy = ForgetfulProxy(url.host or "127.0.0.1", url.port or 5432, every=3)
    yield proxy
    proxy.close()


def test_lost_answers_make_no_version_twice_and_no_failure(
    desk: Desk, proxy: ForgetfulProxy, database_url: str
) -> None:
    url = make_url(database_url).set(
        drivername="postgresql+psycopg", host="127.0.0.1", port=proxy.port
    )
    engine = open_database(url.render_as_string(hide_password=False))
    through = Desk(engine)

    def persist(step: Callable[[Any], Any]) -> Any:
        while True:
            with suppress(PartUnavailable), transaction(engine) as connection:
                return step(connection)

    def claim() -> Any:
        lost = False
        while True:
            try:
                with transaction(engine) as connection:
                    if lost:
                        release_unknown(connection, "w")
                        reap(connection)
                    claim = claim_batch(connection, worker="w", lease=LEASE)
            except PartUnavailable:
                lost = True
            else:
                return claim

    desk.apply("buyers")
    desk.snapshot_id()
    rounds = 20
    for _ in range(rounds):
        desk.request(["buyers"])
        claimed = claim()
        evaluated = False
        while not evaluated:
            with suppress(PartUnavailable):
                through.evaluate(claimed)
                evaluated = True
        states = persist(partial(publish, claim=claimed))
        assert set(states.values()) == {"published"}
    engine.dispose()

    assert proxy.forgotten >= rounds // 3
    assert desk.ask("SELECT state, count(*) FROM refresh_run GROUP BY 1") == [("published", rounds)]
    assert desk.ask("SELECT array_agg(version ORDER BY due_at) FROM membership_version") == [
        list(range(1, rounds + 1))
    ]
    doubled = desk.ask(
        "SELECT run_id FROM run_event WHERE to_state = 'published' GROUP BY 1 HAVING count(*) > 1"
    )
    assert doubled == []
