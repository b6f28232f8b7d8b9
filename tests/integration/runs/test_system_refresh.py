from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.runs.test_planning import plan

from muster_core.errors import Conflict, NotFound, TerminalError
from muster_core.schedules.schedule import daily
from muster_core.schedules.stage import RefreshState
from muster_core.storage.database import transaction
from muster_core.storage.planning import MISFIRES_KEPT, request_system_refresh
from muster_core.storage.refresh import (
    RefreshRecord,
    cancel_refresh,
    close_refreshes,
    get_refresh,
    list_refreshes,
    refresh_skips,
)
from muster_core.storage.run import publish, settle_failure
from muster_core.storage.setting import set_system_schedule

pytestmark = pytest.mark.integration


def ask_for_all(desk) -> int:
    with transaction(desk.engine) as connection:
        return request_system_refresh(connection, actor="user test").id


def close(desk) -> list[int]:
    with transaction(desk.engine) as connection:
        return close_refreshes(connection)


def look(desk, refresh_id: int) -> RefreshRecord:
    with transaction(desk.engine) as connection:
        return get_refresh(connection, refresh_id)


def stages(record: RefreshRecord) -> dict[str, tuple[str, Any]]:
    return {s["stage"]: (s["state"], s["reason"]) for s in record.stages}


def work(desk, *, failing: str | None = None) -> None:
    """Claim what waits and publish it, but for the segment `failing`."""
    claim = desk.must_claim()
    with transaction(desk.engine) as connection:
        bad = [run.run_id for run in claim.runs if run.name == failing]
        settle_failure(connection, claim, bad, TerminalError("It cannot work."))
    desk.evaluate(claim, [run_id for run_id in claim.run_ids if run_id not in bad])
    with transaction(desk.engine) as connection:
        publish(connection, claim)


def test_a_system_refresh_runs_until_its_last_run_has_ended(desk):
    desk.apply_many(3)
    refresh = ask_for_all(desk)

    assert close(desk) == []
    assert stages(look(desk, refresh))["segments"] == ("waiting", None)
    work(desk)
    assert close(desk) == [refresh]
    assert close(desk) == []

    found = look(desk, refresh)
    assert (found.state, found.actor, found.trigger) == ("succeeded", "user test", "manual")
    assert stages(found) == {
        "ingest": ("succeeded", None),
        "measures": ("skipped", "nothing_to_do"),
        "segments": ("succeeded", None),
        "exports": ("skipped", "nothing_to_do"),
    }
    assert found.seconds is not None
    assert found.change_seconds is None


def test_what_fails_takes_along_only_the_exports_of_its_own_segment(desk):
    desk.apply_many(2)
    desk.tell(
        "INSERT INTO export (name, document) VALUES ('feed', '{}');"
        " INSERT INTO export_segment SELECT e.id, s.id FROM export e, segment s"
    )
    refresh = ask_for_all(desk)

    work(desk, failing="s00000")

    assert close(desk) == []  # the delivery of the other one waits
    desk.tell("UPDATE delivery SET state = 'delivered', finished_at = clock_timestamp()")
    assert close(desk) == [refresh]
    found = look(desk, refresh)
    assert found.state == RefreshState.PARTIAL
    assert stages(found)["segments"] == ("partial", None)
    assert stages(found)["exports"] == ("partial", None)
    with transaction(desk.engine) as connection:
        skips = refresh_skips(connection, refresh)
    assert [(s.stage, s.name, s.reason) for s in skips] == [
        ("exports", "feed: s00000", "upstream_failed")
    ]


def test_durations_are_compared_with_the_refresh_before(desk):
    desk.apply("one")
    for _ in range(2):
        ask_for_all(desk)
        work(desk)
        close(desk)

    with transaction(desk.engine) as connection:
        newest, oldest = list_refreshes(connection)

    assert newest.change_seconds == pytest.approx((newest.seconds or 0) - (oldest.seconds or 0))
    by_stage = {stage["stage"]: stage for stage in newest.stages}
    assert by_stage["segments"]["change_seconds"] is not None
    assert by_stage["exports"]["change_seconds"] is None


def test_cancelling_ends_what_waits_and_asks_what_runs_to_stop(desk):
    desk.apply_many(3)
    refresh = ask_for_all(desk)
    claim = desk.must_claim(limit=1)

    with transaction(desk.engine) as connection:
        assert cancel_refresh(connection, refresh, actor="user test") == 3

    assert desk.ask("SELECT count(*) FROM refresh_run WHERE state = 'cancelled'") == [2]
    assert desk.ask("SELECT cancel_requested FROM refresh_run WHERE state = 'running'") == [True]
    desk.evaluate(claim)
    with transaction(desk.engine) as connection:
        publish(connection, claim)
    assert close(desk) == [refresh]
    assert (look(desk, refresh).state, look(desk, refresh).reason) == ("cancelled", "requested")
    with pytest.raises(Conflict), transaction(desk.engine) as connection:
        cancel_refresh(connection, refresh, actor="user test")
    with pytest.raises(NotFound), transaction(desk.engine) as connection:
        cancel_refresh(connection, 999, actor="user test")


def test_of_missed_system_refreshes_the_newest_runs_and_the_others_are_kept_as_misfires(desk):
    desk.apply("one")
    with transaction(desk.engine) as connection:
        set_system_schedule(connection, daily(["06:00", "18:30"], timezone="Europe/Berlin"))
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=3)
    desk.tell(
        "UPDATE setting SET value = jsonb_set(value, '{next_due_at}', to_jsonb(CAST(:due AS text)))",
        due=first.isoformat(),
    )

    assert plan(desk).runs == 1
    assert plan(desk).runs == 0

    rows = desk.ask("SELECT state, reason, count(*) FROM system_refresh GROUP BY 1, 2 ORDER BY 1")
    assert rows[0] == ("running", None, 1)
    assert rows[1][:2] == ("skipped", "misfire")
    assert 5 <= rows[1][2] <= 7 < MISFIRES_KEPT
    assert desk.ask(
        "SELECT due_at = (SELECT max(due_at) FROM system_refresh) FROM system_refresh"
        " WHERE state = 'running'"
    ) == [True]
