"""What a sink that hangs costs the others, in pairs of short measurements."""

from __future__ import annotations

import base64
import math
import shutil
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from benchmarks.delivery_place import (
    PATIENCE,
    Place,
    apply_document,
    exporter,
    mark,
    request,
    states,
    wait,
)
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.storage.connection import save_connection
from muster_core.storage.database import transaction
from muster_core.storage.export_table import delivery

#: What the other sinks should still do beside one that hangs.
TARGET_SHARE = 0.95
_OTHERS = 4
#: Twice as many as the sink that hangs takes at once.
SEGMENTS = 4
#: Members of a delivery beside the sink that hangs: so many that writing takes the time, not claiming.
HANG_MEMBERS = 200_000


def beside_one_that_hangs(
    place: Place, names: list[str], members: int, pairs: int
) -> dict[str, Any]:
    """Return what four folders get in a second, alone and beside a receiver that never answers.

    One exporter does all of it. The two ways follow one another closely and are compared pair by pair: how fast
    the machine is drifts by more than what is to be told.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    with exporter(place):
        _four(place, names, members)  # what a process loads once
        for number in range(pairs):
            for hangs in (False, True) if number % 2 == 0 else (True, False):
                if hangs:
                    with _hanging(place, names, f"silent-{number}") as export:
                        found[hangs].append(_four(place, names, members, beside=export))
                else:
                    found[hangs].append(_four(place, names, members))
    shares = [beside / alone for alone, beside in zip(found[False], found[True], strict=True)]
    logs = [math.log(one) for one in shares]
    share = math.exp(statistics.mean(logs))
    # twice the standard error of the mean: nineteen of twenty such measurements are that near to the truth
    margin = 2 * share * statistics.stdev(logs) / math.sqrt(pairs)
    print(
        f"{_OTHERS} folders: {statistics.median(found[False]):,.0f} rows/s alone,"
        f" {statistics.median(found[True]):,.0f} beside a sink that hangs: {share:.1%} ± {margin:.1%}, the"
        f" geometric mean of {pairs} pairs{mark(share >= TARGET_SHARE)}"
    )
    return {
        "members": members,
        "alone": found[False],
        "beside": found[True],
        "share": share,
        "margin": margin,
    }


def _four(place: Place, names: list[str], members: int, *, beside: str | None = None) -> float:
    """Deliver every segment to four folders and return the rows they got in a second.

    The export `beside` is asked for in the same transaction, first: what its deliveries do before they hang counts.
    """
    run = time.monotonic_ns()
    targets = [place.folder / f"target-{run}-{number}" for number in range(_OTHERS)]
    for target in targets:
        target.mkdir()
        where = {"kind": "folder", "path": str(target)}
        apply_document(place, target.name, names, where, format="csv")
    exports = [target.name for target in targets]
    request(place, *([] if beside is None else [beside]), *exports)
    for name in exports:
        wait(place, name, len(names))
    for target in targets:
        shutil.rmtree(target)
    return _OTHERS * len(names) * members / _span(place, exports)


@contextmanager
def _hanging(place: Place, names: list[str], name: str) -> Iterator[str]:
    """Return an export whose deliveries hang once they are asked for; in the end they are let go.

    Connection and export are new ones, so what failed before slows nothing down.
    """
    with _silent() as port:
        document = {
            "name": name,
            "kind": "webhook",
            "url": f"http://127.0.0.1:{port}/",
            "timeout_seconds": 60,
        }
        secret = {"signing_secret": f"whsec_{base64.b64encode(bytes(range(32))).decode()}"}
        with transaction(place.database) as connection:
            save_connection(
                connection,
                parse_target(document),
                parse_secret("webhook", secret),
                place.settings.keys(),
            )
        apply_document(place, name, names, name)
        yield name
        found = set(states(place, name))
        # whatever ended means that it did not hang
        if "running" not in found or found - {"running", "pending"}:
            raise RuntimeError(f"the sink did not hang: {sorted(found)}")
        _withdraw(place)
    # the receiver is gone: what hung fails, and would be tried again
    end = time.monotonic() + PATIENCE
    while "running" in states(place, name):
        if time.monotonic() > end:
            raise RuntimeError(f"the deliveries of {name} do not end")
        time.sleep(0.05)
    _withdraw(place)


def _withdraw(place: Place) -> None:
    """Cancel whatever waits."""
    with transaction(place.database) as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.state == "pending")
            .values(state="cancelled", finished_at=sa.func.clock_timestamp())
        )


@contextmanager
def _silent() -> Iterator[int]:
    """Listen and take whatever comes, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)  # or `accept` waits on
        for one in kept:
            one.close()


def _span(place: Place, exports: list[str]) -> float:
    """Return the seconds from the first begin to the last end, without the exporter's own start."""
    query = sa.text(
        "SELECT max(d.finished_at) - min(d.started_at)"
        "  FROM delivery d JOIN export e ON e.id = d.export_id WHERE e.name = ANY(:names)"
    )
    with transaction(place.database) as connection:
        return float(connection.execute(query, {"names": exports}).scalar_one().total_seconds())
