"""A simulated year on one clock: refreshes, the trend of members, and clean-up, while customers come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from tests.clock import Clock
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_batch import expected, members
from tests.shop import LAST_ORDER, Shop, in_country, segment

from muster_console.operation.history import Period, history
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.exports.document import parse_export
from muster_core.schedules.schedule import read_schedule
from muster_core.storage.cleanup import clean_up_daily
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment as segments
from muster_core.storage.export_table import export as exports
from muster_core.storage.export_table import export_segment
from muster_core.storage.planning import schedule_due
from muster_core.storage.segment import get_segment
from muster_core.storage.setting import set_system_schedule

pytestmark = [pytest.mark.integration, pytest.mark.spark]

DAY = timedelta(days=1)
WEEKLY, MONTHLY, FORTNIGHTLY = "0 6 * * 1", "0 7 1 * *", "0 6 1,15 * *"
#: After so many days without a change or a use a segment is cleaned up.
UNUSED_DAYS = 45


def ordered_between(longest: int, shortest: int) -> dict[str, Any]:
    """Return who ordered between so many days ago and so many: customers join and leave as time passes."""
    return {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "count", "column": None},
        "window": {"between_ago": [f"{longest} days", f"{shortest} days"]},
        "compare": "gte",
        "value": 1,
    }


def ordered_within(days: int) -> dict[str, Any]:
    return {**ordered_between(1, 0), "window": {"last": f"{days} days"}}


@dataclass(kw_only=True)
class Life:
    """What is expected of one segment."""

    #: The day of its last change; None: never cleaned up, being exempt or used.
    changed: int | None
    active: bool = True
    #: Every version as it was recorded when it was published: (version, when, members).
    published: list[tuple[int, datetime, frozenset[str]]] = field(default_factory=list)


@pytest.fixture
def clock(database: Engine) -> Clock:
    """The clock of everybody, on the day after the shop's last order."""
    clock = Clock(database)
    clock.move(LAST_ORDER + timedelta(hours=8) - clock.now())
    return clock


@pytest.fixture
def workspace(clock: Clock, ready: Bench) -> Iterator[Workspace]:
    with open_workspace(ready.settings) as opened:
        yield opened


def use(bench: Bench, name: str, folder: Path) -> None:
    """Let an export use a segment; nobody delivers it."""
    document = {
        "name": f"to_{name}",
        "segments": [name],
        "connection": {"kind": "folder", "path": str(folder)},
    }
    stored = parse_export(document).to_json()
    with transaction(bench.database) as connection:
        export_id = connection.execute(
            exports.insert().values(name=document["name"], document=stored).returning(exports.c.id)
        ).scalar_one()
        known = sa.select(segments.c.id).where(segments.c.name == name)
        segment_id = connection.execute(known).scalar_one()
        connection.execute(
            export_segment.insert().values(export_id=export_id, segment_id=segment_id)
        )


class Year:
    """The days of a year, one after the other."""

    def __init__(self, clock: Clock, bench: Bench, workspace: Workspace) -> None:
        self.clock = clock
        self.bench = bench
        self.workspace = workspace
        self.lives: dict[str, Life] = {}
        self.cleaned: list[str] = []
        self.refreshed = 0

    def make(self, today: int, document: dict[str, Any], *, forgotten: bool) -> None:
        # members may come to nothing in a year: what a gate would hold is not what is looked at here
        self.bench.apply_segments([{**document, "gate": "off"}])
        life = self.lives.setdefault(document["name"], Life(changed=None))
        life.changed, life.active = (today if forgotten else None), True

    def live(self, today: int) -> None:
        """Let a day pass as a scheduler and a worker do, and hold what they did against what is expected."""
        self.refresh()
        due = sorted(
            name
            for name, life in self.lives.items()
            if life.active and life.changed is not None and life.changed <= today - UNUSED_DAYS
        )
        with transaction(self.bench.database) as connection:
            cleaned = clean_up_daily(connection, self.bench.settings)
        assert cleaned is not None
        assert cleaned.names("segment") == due, f"day {today}"
        self.cleaned += due
        with transaction(self.bench.database) as connection:
            for name in due:
                self.lives[name].active = False
            for name, life in self.lives.items():
                state = get_segment(connection, name).state
                assert state == ("active" if life.active else "inactive"), f"{name}, day {today}"

    def refresh(self) -> None:
        """Work on what is due until nothing is left, and note every new version."""
        with transaction(self.bench.database) as connection:
            while (planned := schedule_due(connection, "scheduler@test")).more:
                pass
        if not planned.runs:
            return
        while self.bench.worker.work_once():
            pass
        rows = self.bench.rows(
            "SELECT s.name, v.version, v.published_at, v.as_of, v.member_count, v.joined, v.left"
            " FROM segment s JOIN membership_version v ON v.segment_id = s.id"
            " AND v.version = s.published_version"
        )
        for row in rows:
            self.note(row)

    def note(self, row: Any) -> None:
        life = self.lives[row["name"]]
        before = life.published[-1] if life.published else (0, None, frozenset[str]())
        if row["version"] == before[0]:
            return
        assert row["version"] == before[0] + 1
        assert life.active
        now = frozenset(members(self.bench, row["name"]))
        joined, left = len(now - before[2]), len(before[2] - now)
        counted = (row["member_count"], row["joined"], row["left"])
        assert counted == (len(now), joined, left), row["name"]
        # what it was evaluated as of and when it was published, were told by the clock that was moved
        assert timedelta() < row["published_at"] - row["as_of"] < DAY / 2
        assert timedelta() <= self.clock.now() - row["published_at"] < DAY / 2
        life.published.append((row["version"], row["published_at"], now))
        self.refreshed += 1

    def look(self) -> None:
        """Hold the trend of every segment over every period against what was noted."""
        for name, life in self.lives.items():
            for period, days in ((Period.WEEK, 7), (Period.MONTH, 30), (Period.HALF_YEAR, 0)):
                self.look_at(name, life, period, f"{days} days" if days else "6 months")
            self.look_at(name, life, Period.ALL, "100 years")

    def look_at(self, name: str, life: Life, period: Period, back: str) -> None:
        begin = self.bench.rows(
            "SELECT clock_timestamp() - CAST(:back AS interval) AS at", back=back
        )[0]["at"]
        found = history(self.workspace, name, period)
        inside = [(v, at, len(keys)) for v, at, keys in life.published if at > begin]
        outside = [(v, at, len(keys)) for v, at, keys in life.published if at <= begin]
        assert [(p.version, p.published_at, p.members) for p in found.points] == inside
        last = None if found.before is None else (found.before.version, found.before.members)
        assert last == ((outside[-1][0], outside[-1][2]) if outside else None)
        count = found.before.members if found.before else 0
        for point in found.points:
            count += point.joined - point.left
            assert count == point.members


@pytest.mark.parametrize(
    ("days", "cron", "least"),
    [
        pytest.param(61, FORTNIGHTLY, 18, id="two months"),
        pytest.param(
            366, WEEKLY, 200, id="a year", marks=[pytest.mark.long, pytest.mark.timeout(3_600)]
        ),
    ],
)
def test_over_a_year_members_add_up_at_every_step_and_exactly_the_unused_are_cleaned_up(
    clock: Clock,
    ready: Bench,
    workspace: Workspace,
    shop: Shop,
    tmp_path: Path,
    days: int,
    cron: str,
    least: int,
) -> None:
    with transaction(ready.database) as connection:
        set_system_schedule(connection, read_schedule({"cron": cron, "timezone": "UTC"}))
    year = Year(clock, ready, workspace)
    year.make(0, segment("recent", ordered_within(30)), forgotten=False)
    year.make(0, segment("between", ordered_between(500, 400)), forgotten=False)
    use(ready, "recent", tmp_path)
    use(ready, "between", tmp_path)
    # used by the one that is exempt
    year.make(0, segment("british", in_country("GB")), forgotten=False)
    both = {"kind": "all", "of": [{"kind": "segment", "name": "british"}, ordered_between(90, 30)]}
    year.make(0, segment("exempt", both, auto_cleanup=False), forgotten=False)
    year.make(0, segment("forgotten", ordered_between(700, 600)), forgotten=True)
    schedule = {"cron": MONTHLY, "timezone": "Europe/Berlin"}
    year.make(0, segment("alone", ordered_within(200), schedule=schedule), forgotten=True)
    for today in range(days):
        if today % 100 == 60:
            # somebody wakes it with another definition; it is forgotten once more
            document = segment("forgotten", ordered_between(700 + today, 600))
            year.make(today, document, forgotten=True)
        if today % 30 == 14:
            year.make(today, segment(f"new_{today}", ordered_within(today + 20)), forgotten=True)
        year.live(today)
        if today % 7 == 0 or today == days - 1:
            year.look()
        clock.move(DAY)
    assert year.refreshed >= least
    assert {"forgotten", "alone"} <= set(year.cleaned)
    assert len(year.cleaned) >= days // 45 + 1
    changed = {
        name
        for name, life in year.lives.items()
        if len({keys for _, _, keys in life.published}) > 1
    }
    assert {"recent", "between", "exempt"} <= changed
    # the last members noted are those anybody works out from the files
    run = ready.rows("SELECT max(as_of) AS at FROM membership_version")[0]["at"]
    assert year.lives["british"].published[-1][2] == expected(shop, run)["british"]
