from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.waiting import promised

from muster_core.schedules.schedule import read_schedule
from muster_core.storage.database import transaction
from muster_core.storage.planning import (
    MISFIRES_KEPT,
    Planned,
    request_system_refresh,
    schedule_due,
    waiting_work,
)
from muster_core.storage.run import pin_snapshot
from muster_core.storage.setting import get_system_schedule, set_system_schedule

pytestmark = pytest.mark.integration

#: So seldom that nothing falls due by itself while a test runs.
YEARLY = {"cron": "0 0 1 1 *", "timezone": "UTC"}
DAILY = {"cron": "0 0 * * *", "timezone": "UTC"}


def plan(desk, scheduler: str = "scheduler one") -> Planned:
    total = Planned(more=True)
    while total.more:
        with transaction(desk.engine) as connection:
            step = schedule_due(connection, scheduler)
        total = Planned(
            runs=total.runs + step.runs,
            misfires=total.misfires + step.misfires,
            broken=total.broken + step.broken,
            more=step.more,
        )
    return total


def make_due(desk, before: timedelta = timedelta(0)) -> None:
    desk.tell(
        "UPDATE segment SET next_due_at = date_trunc('minute', clock_timestamp()) - :before"
        " WHERE next_due_at IS NOT NULL",
        before=before,
    )


def test_a_due_segment_gets_one_run_and_its_next_instant(desk) -> None:
    desk.apply("buyers", schedule=YEARLY)
    make_due(desk)

    assert plan(desk).runs == 1
    assert plan(desk).runs == 0
    assert desk.ask("SELECT state, trigger, scheduler FROM refresh_run") == [
        ("pending", "schedule", "scheduler one")
    ]
    assert desk.ask("SELECT next_due_at > clock_timestamp() FROM segment") == [True]


def test_two_schedulers_at_once_plan_each_instant_once(desk) -> None:
    desk.apply_many(300, schedule=YEARLY)
    make_due(desk)
    start = threading.Barrier(2)

    def work(number: int) -> int:
        start.wait()
        return sum(plan(desk, f"scheduler {number}").runs for _ in range(5))

    with ThreadPoolExecutor(2) as schedulers:
        planned = sum(schedulers.map(work, range(2)))

    due = desk.ask("SELECT count(*), count(DISTINCT segment_id) FROM refresh_run")
    assert due == [(planned, 300)]
    assert desk.ask(
        "SELECT count(*) FROM (SELECT 1 FROM refresh_run GROUP BY segment_id, due_at"
        " HAVING count(*) > 1) twice"
    ) == [0]
    assert desk.ask("SELECT count(*) FROM segment WHERE next_due_at <= clock_timestamp()") == [0]


def test_an_instant_that_has_a_run_already_stops_nobody(desk) -> None:
    desk.apply_many(20, schedule=YEARLY)
    make_due(desk)
    desk.tell(
        "INSERT INTO refresh_run (segment_id, due_at, trigger)"
        " SELECT id, next_due_at, 'schedule' FROM segment WHERE id % 2 = 0"
    )

    assert plan(desk).runs == 10
    assert desk.ask("SELECT count(*) FROM refresh_run") == [20]


def test_of_missed_instants_the_newest_runs_and_the_others_are_kept_as_misfires(desk) -> None:
    desk.apply("buyers", schedule=YEARLY)
    desk.tell("UPDATE segment SET next_due_at = '2020-01-01Z'")
    years = datetime.now(UTC).year - 2020

    planned = plan(desk)

    assert (planned.runs, planned.misfires) == (1, years)
    assert desk.ask("SELECT state, reason, count(*) FROM refresh_run GROUP BY 1, 2 ORDER BY 1") == [
        ("pending", None, 1),
        ("skipped", "misfire", years),
    ]
    assert desk.ask(
        "SELECT max(due_at) FILTER (WHERE state = 'pending') = max(due_at) FROM refresh_run"
    ) == [True]


def test_years_without_a_scheduler_are_caught_up_with_in_bounds(desk) -> None:
    desk.apply("buyers", schedule=DAILY)
    desk.tell("UPDATE segment SET next_due_at = '2001-01-01Z'")

    planned = plan(desk)

    assert (planned.runs, planned.misfires) == (1, MISFIRES_KEPT)


def test_a_corrupt_schedule_stops_only_its_own_segment(desk) -> None:
    desk.apply_many(10, schedule=YEARLY)
    make_due(desk)
    desk.tell(
        'UPDATE segment SET schedule = \'{"kind": "cron", "cron": "99 * * * *"}\''
        " WHERE name = 's00003'"
    )

    planned = plan(desk)

    assert (planned.runs, planned.broken) == (9, 1)
    assert desk.ask("SELECT name, schedule_error FROM segment WHERE next_due_at IS NULL") == [
        ("s00003", "/schedule/cron: bad minute in the cron expression")
    ]
    assert plan(desk) == Planned()


def test_ten_thousand_segments_due_at_one_instant_are_planned_in_seconds(desk) -> None:
    desk.apply("model", schedule=YEARLY)
    desk.tell(
        "INSERT INTO segment (name, type, state, document, rule_hash, schedule, next_due_at)"
        " SELECT 'copy' || n, type, state, document, rule_hash, schedule,"
        "        date_trunc('minute', clock_timestamp())"
        "   FROM segment, generate_series(1, 10000) n"
    )
    begin = time.monotonic()

    planned = plan(desk)

    # about a second on an idle machine
    assert time.monotonic() - begin < promised(10)
    assert planned.runs == 10_000
    # of one instant, so in one transaction: claimed together
    assert desk.ask("SELECT count(DISTINCT xmin::text) FROM refresh_run") == [1]


def test_the_system_refresh_runs_every_segment_that_follows_it_over_one_instant(desk) -> None:
    desk.apply("one")
    desk.apply("two")
    desk.apply("own", schedule=YEARLY)
    desk.apply("never", schedule="off")
    desk.apply("fixed", type="static")
    with transaction(desk.engine) as connection:
        set_system_schedule(connection, read_schedule(YEARLY))
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    desk.tell(
        "UPDATE setting SET value = jsonb_set(value, '{next_due_at}', to_jsonb(CAST(:due AS text)))",
        due=due.isoformat(),
    )

    assert plan(desk).runs == 2
    assert plan(desk).runs == 0
    assert desk.ask("SELECT due_at, trigger FROM system_refresh") == [(due, "schedule")]
    with transaction(desk.engine) as connection:
        following = get_system_schedule(connection).next_due_at
    assert following is not None
    assert following > due

    first = desk.must_claim(limit=1)
    snapshot = desk.snapshot_id()
    with transaction(desk.engine) as connection:
        assert pin_snapshot(connection, first, snapshot) == snapshot
    second = desk.must_claim(limit=1)

    assert second.as_of == first.as_of
    assert (first.snapshot_id, second.snapshot_id) == (None, snapshot)


def test_a_system_refresh_can_be_asked_for(desk) -> None:
    desk.apply("one")
    desk.apply("own", schedule=YEARLY)

    with transaction(desk.engine) as connection:
        refresh = request_system_refresh(connection, actor="user test")

    assert refresh.runs == 1
    assert [r.name for r in desk.must_claim().runs] == ["one"]


def test_the_sweep_sees_what_waits_and_when_the_next_is_due(desk) -> None:
    desk.apply("buyers", schedule=YEARLY)
    with transaction(desk.engine) as connection:
        idle = waiting_work(connection)
    desk.request(["buyers"])
    with transaction(desk.engine) as connection:
        busy = waiting_work(connection)

    assert (idle.runs, busy.runs) == (False, True)
    assert idle.next_due_in is not None
    assert timedelta(0) < idle.next_due_in <= timedelta(days=366)
