"""What people and schedules ask for while everything breaks, and what of it is known to have been accepted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from tests.shop import COUNTRIES, in_country, ordered, segment

from muster_core.errors import Conflict, NotFound, TransientError
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.run import cancel_run, request_refresh
from muster_core.storage.segment import apply_segment

#: So seldom that no instant comes by itself: the traffic makes them due.
YEARLY = {"cron": "0 0 1 1 *", "timezone": "UTC"}

_MAKE_DUE = sa.text("""
UPDATE segment SET next_due_at = clock_timestamp()
 WHERE name = ANY(:names) AND next_due_at > clock_timestamp() + interval '1 hour'
RETURNING id, next_due_at
""")


def documents() -> list[dict[str, Any]]:
    """Return the segments of a campaign: some due by themselves, some with the system, two that refer to others."""
    found = [
        segment(
            f"due_{n}",
            {"kind": "all", "of": [in_country(COUNTRIES[n % 4]), ordered(1 + n)]},
            schedule=YEARLY,
        )
        for n in range(6)
    ]
    found += [segment(f"sys_{n}", ordered(1 + n, within=f"{90 * (n + 1)} days")) for n in range(4)]
    refer = {"kind": "segment", "name": "sys_0"}
    found.append(segment("child_last", {"kind": "all", "of": [refer, in_country("DE")]}))
    found.append(segment("child_skip", {**refer, "policy": "skip"}))
    return found


@dataclass(slots=True, kw_only=True)
class Traffic:
    """One seeded stream of requests."""

    database: sa.Engine
    settings: Settings
    chance: random.Random
    #: Instants that are certain to have become due: the commit was answered.
    due: list[tuple[int, datetime]] = field(default_factory=list)
    requested: list[int] = field(default_factory=list)
    refused: int = 0

    def step(self) -> None:
        """Ask for something; an outage is borne."""
        ask = self.chance.choices(
            (self._make_due, self._request, self._refresh_system, self._edit, self._cancel),
            (5, 4, 1, 1, 1),
        )[0]
        try:
            ask()
        except (TransientError, sa.exc.SQLAlchemyError):
            self.refused += 1

    def refresh_everything(self) -> None:
        """Ask for every segment once, with nothing broken yet."""
        self._refresh_system()
        self._make_due()

    def _make_due(self) -> None:
        names = [f"due_{n}" for n in range(6) if self.chance.random() < 0.6]
        with transaction(self.database) as connection:
            rows = connection.execute(_MAKE_DUE, {"names": names}).all()
        self.due += [(row.id, row.next_due_at) for row in rows]

    def _request(self) -> None:
        names = [d["name"] for d in documents() if self.chance.random() < 0.4] or ["sys_0"]
        with transaction(self.database) as connection:
            asked = request_refresh(connection, names=names, actor="chaos")
        self.requested += [run.run_id for run in asked]
        send_hint(self.settings, Hint.REFRESH)

    def _refresh_system(self) -> None:
        with transaction(self.database) as connection:
            request_system_refresh(connection, actor="chaos")
        send_hint(self.settings, Hint.REFRESH)

    def _edit(self) -> None:
        number = self.chance.randrange(1, 4)
        rule = ordered(1 + self.chance.randrange(8), within=f"{30 * (number + 1)} days")
        with transaction(self.database) as connection:
            apply_segment(connection, parse_segment(segment(f"sys_{number}", rule)))

    def _cancel(self) -> None:
        if not self.requested:
            return
        with transaction(self.database) as connection:
            try:
                cancel_run(connection, self.chance.choice(self.requested[-20:]), actor="chaos")
            except (Conflict, NotFound):
                return  # it has ended already
