"""One campaign: traffic and faults by a seed, then quiet, then the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from tests.chaos.invariants import unsettled, violations
from tests.chaos.nemesis import Nemesis, wait_for_parts
from tests.chaos.traffic import Traffic
from tests.chaos.verdict import (
    Latest,
    deliveries_are_whole,
    every_instant_has_its_run,
    only_published_is_at_the_sink,
    versions_can_be_repeated,
)
from tests.chaos.world import BACKOFF_SECONDS, World, running_world

from muster_core.errors import TransientError
from muster_core.storage.database import transaction
from muster_core.storage.refresh import close_refreshes

#: Between two faults, in seconds.
_PACE = (0.3, 1.2)
#: The longest job and the start of an engine on a busy machine.
_JOB_SECONDS = 60.0
#: Looks at the sink a second.
_LOOKS = 10


@dataclass(slots=True, kw_only=True)
class Report:
    """What a campaign came to."""

    seed: int
    seconds: float
    control: str | None
    violations: list[str]
    faults: Counter[str]
    skipped: list[str]
    runs: dict[str, int]
    versions: int
    deliveries: dict[str, int]
    lost_batches: int
    requests_refused: int
    due: int
    #: How long it took until everything answered again after the last fault.
    restarted_seconds: float
    #: How long from then on until nothing was left to do; None: it never was.
    drained_seconds: float | None
    #: What was done last, and when.
    last: str
    looks: int

    def lines(self) -> list[str]:
        """Return the report for people."""
        counted = ", ".join(f"{name} {n}" for name, n in sorted(self.faults.items()))
        drained = "never" if self.drained_seconds is None else f"{self.drained_seconds:.1f} s"
        return [
            f"seed {self.seed}, {self.seconds:.0f} s, control {self.control or 'none'}",
            f"  faults: {counted}",
            *(f"  not done here: {name}" for name in self.skipped),
            f"  runs {self.runs}, versions {self.versions}, deliveries {self.deliveries}",
            f"  due instants {self.due}, batches lost {self.lost_batches}",
            f"  refused in outages {self.requests_refused}, looks at the sink {self.looks}",
            f"  everything answered after {self.restarted_seconds:.1f} s, drained in {drained}",
            f"  last of all {self.last}",
            f"  violations: {len(self.violations)}",
            *(f"    {violation}" for violation in self.violations[:20]),
        ]


def run_campaign(folder: Path, *, seed: int, seconds: float, control: str | None = None) -> Report:
    """Break a world of its own in `folder` for `seconds`, and return the verdict."""
    with running_world(folder, control=control) as world:
        return break_world(world, seed=seed, seconds=seconds, control=control)


def break_world(world: World, *, seed: int, seconds: float, control: str | None = None) -> Report:
    """Break a running world for `seconds`, let it become quiet, and return the verdict."""
    nemesis = Nemesis(world=world, chance=random.Random(seed))
    traffic = Traffic(
        database=world.database, settings=world.settings, chance=random.Random(seed + 1)
    )
    latest = Latest(world.sink)
    usual = _first_versions(world, traffic)
    end = time.monotonic() + seconds
    fault_at = traffic_at = time.monotonic()
    pace = random.Random(seed + 2)
    while (now := time.monotonic()) < end:
        if now >= traffic_at:
            traffic.step()
            traffic_at = time.monotonic() + pace.uniform(0.3, 1.0)
        if now >= fault_at:
            nemesis.step()
            fault_at = time.monotonic() + pace.uniform(*_PACE)
        nemesis.tend()
        latest.look()
        time.sleep(1 / _LOOKS)
    calm = _calm_down(world, nemesis, latest, usual)
    return _verdict(world, nemesis, traffic, latest, calm, seed, seconds, control)


def _first_versions(world: World, traffic: Traffic) -> float:
    """Prepare the store before anything breaks; return how long a refresh takes on this machine now."""
    took: float | None = None
    for _ in ("prepares", "is timed"):
        traffic.refresh_everything()
        took = _drain(world, None, 240)
        if took is None:
            raise AssertionError("the world did not even begin to work")
    return took or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calm:
    """How the world became quiet: see `Report`."""

    restarted_seconds: float
    drained_seconds: float | None
    last: str


def _calm_down(world: World, nemesis: Nemesis, latest: Latest, usual: float) -> _Calm:
    ended = time.monotonic()
    nemesis.tend(everything=True)
    for service in world.services:
        service.start()
    wait_for_parts(world.parts, 90)
    restarted = time.monotonic() - ended
    limit = 2 * world.lease_seconds + BACKOFF_SECONDS + _JOB_SECONDS + 10 * usual
    drained = _drain(world, latest, limit)
    last = _last_work(world, since=time.monotonic() - ended)
    return _Calm(restarted_seconds=restarted, drained_seconds=drained, last=last)


def _last_work(world: World, *, since: float) -> str:
    """Return what ended last, with its seconds after the last fault, which was `since` seconds ago."""
    query = sa.text(
        "SELECT what, id, attempt, state,"
        "       extract(epoch FROM started_at - clock_timestamp()) + :since AS started,"
        "       extract(epoch FROM finished_at - clock_timestamp()) + :since AS finished"
        "  FROM (SELECT 'run' AS what, id, attempt, state, started_at, finished_at FROM refresh_run"
        "        UNION ALL"
        "        SELECT 'delivery', id, attempt, state, started_at, finished_at FROM delivery) AS work"
        " WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1"
    )
    with transaction(world.database) as connection:
        row = connection.execute(query, {"since": since}).one()
    began = "" if row.started is None else f" begun at {row.started:.1f} s,"
    return (
        f"{row.what} {row.id},{began} {row.state} at {row.finished:.1f} s in attempt {row.attempt}"
    )


def _drain(world: World, latest: Latest | None, limit: float) -> float | None:
    """Return after how many seconds nothing was left to do; None: not within `limit`."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        if latest is not None:
            latest.look()
        with suppress(TransientError, sa.exc.SQLAlchemyError), transaction(world.database) as open_:
            close_refreshes(open_)
            left = (
                unsettled(open_)
                + open_.execute(
                    sa.text(
                        "SELECT (SELECT count(*) FROM delivery WHERE state IN ('pending', 'running'))"
                        " + (SELECT count(*) FROM system_refresh WHERE state = 'running')"
                        " + (SELECT count(*) FROM segment WHERE next_due_at < clock_timestamp())"
                    )
                ).scalar_one()
            )
            if left == 0:
                return time.monotonic() - began
        time.sleep(1 / _LOOKS)
    return None


def _verdict(
    world: World,
    nemesis: Nemesis,
    traffic: Traffic,
    latest: Latest,
    calm: _Calm,
    seed: int,
    seconds: float,
    control: str | None,
) -> Report:
    with transaction(world.database) as connection:
        found = [
            *violations(connection, world.lake),
            *every_instant_has_its_run(connection, traffic.due),
            *versions_can_be_repeated(connection, world.lake, random.Random(seed)),
            *deliveries_are_whole(connection, world.sink),
            *only_published_is_at_the_sink(connection, world.sink),
            *latest.violations,
        ]
        if calm.drained_seconds is None:
            found.append("I11: work was left long after the last fault")

        def counted(statement: str) -> dict[str, int]:
            return {row[0]: row[1] for row in connection.execute(sa.text(statement))}

        return Report(
            seed=seed,
            seconds=seconds,
            control=control,
            violations=found,
            faults=nemesis.count,
            skipped=world.skipped(),
            runs=counted("SELECT state, count(*) FROM refresh_run GROUP BY 1 ORDER BY 1"),
            versions=sum(counted("SELECT 'all', count(*) FROM membership_version").values()),
            deliveries=counted("SELECT state, count(*) FROM delivery GROUP BY 1 ORDER BY 1"),
            lost_batches=sum(
                counted("SELECT 'lost', count(*) FROM batch WHERE state = 'lost'").values()
            ),
            requests_refused=traffic.refused,
            due=len(traffic.due),
            restarted_seconds=calm.restarted_seconds,
            drained_seconds=calm.drained_seconds,
            last=calm.last,
            looks=latest.looks,
        )
