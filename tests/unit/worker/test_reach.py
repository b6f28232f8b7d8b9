"""An engine that nobody uses is missed when nothing has listened there for a while, and found again at once."""

from __future__ import annotations

import socket

from tests.waiting import eventually

from muster_core.errors import PartUnavailable
from muster_worker.engine.reach import Reach


def test_an_engine_is_lost_after_the_patience_and_found_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = Reach(lambda: f"127.0.0.1:{port}", pause=0, patience=0.2)
        assert not reach.is_lost()
    assert not reach.is_lost(), "one that is restarted is not missed"
    eventually(reach.is_lost)
    with socket.create_server(("127.0.0.1", port)):
        assert not reach.is_lost()


def test_no_address_is_no_engine() -> None:
    def address() -> str:
        raise PartUnavailable("No ENGINE is set.")

    reach = Reach(address, pause=0, patience=0)
    assert reach.is_lost()


def test_it_is_tried_only_now_and_then() -> None:
    asked: list[int] = []

    def address() -> str:
        asked.append(1)
        raise PartUnavailable("No ENGINE is set.")

    reach = Reach(address, pause=3_600, patience=3_600)
    for _ in range(5):
        assert not reach.is_lost()
    assert len(asked) == 1
