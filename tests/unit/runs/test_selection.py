from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from muster_core.runs.selection import Waiting, select_runs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = Waiting(
    run_id=1,
    segment_id=1,
    due_at=NOON,
    trigger="schedule",
    priority=5,
    available=True,
    attempts_left=True,
    cancel_requested=False,
    requested_as_of=None,
    system_refresh_id=None,
    segment_state="active",
    segment_type="dynamic",
    deleted=False,
)


def ids(selection) -> list[int]:
    return [run.run_id for run in selection.claimed]


def endings(selection) -> dict[int, tuple[str, str]]:
    return {e.run_id: (e.state.value, e.reason.value) for e in selection.ended}


def test_the_newest_run_of_a_segment_is_taken_and_older_ones_end_as_overlap() -> None:
    newer = replace(RUN, run_id=2, due_at=NOON + timedelta(minutes=1))

    chosen = select_runs([newer, RUN], limit=10)

    assert ids(chosen) == [2]
    assert endings(chosen) == {1: ("skipped", "overlap")}


def test_older_runs_wait_with_the_newest_through_its_back_off() -> None:
    newer = replace(RUN, run_id=2, due_at=NOON + timedelta(minutes=1), available=False)

    chosen = select_runs([newer, RUN], limit=10)

    assert ids(chosen) == []
    assert endings(chosen) == {}


def test_what_somebody_waits_for_comes_before_what_a_schedule_planned() -> None:
    manual = replace(RUN, run_id=9, segment_id=2, priority=1, due_at=NOON + timedelta(hours=1))

    assert ids(select_runs([RUN, manual], limit=1)) == [9]


def test_only_runs_of_one_instant_and_one_system_refresh_come_together() -> None:
    past = replace(RUN, run_id=2, segment_id=2, requested_as_of=NOON - timedelta(days=9))
    system = replace(RUN, run_id=3, segment_id=3, system_refresh_id=7)
    other = replace(RUN, run_id=4, segment_id=4)

    assert ids(select_runs([RUN, past, system, other], limit=10)) == [1, 4]


def test_runs_for_different_instants_do_not_replace_each_other_and_come_in_due_order() -> None:
    past = NOON - timedelta(days=9)
    manual = replace(RUN, run_id=2, due_at=NOON + timedelta(seconds=1), requested_as_of=past)
    manual = replace(manual, priority=1, trigger="manual")
    newer = replace(RUN, run_id=3, due_at=NOON + timedelta(minutes=1))

    first = select_runs([newer, manual, RUN], limit=10)
    second = select_runs([newer], limit=10)

    assert (ids(first), endings(first)) == ([2], {})
    assert (ids(second), endings(second)) == ([3], {})


def test_a_cron_run_due_before_a_manual_one_for_another_instant_comes_first() -> None:
    later = replace(RUN, run_id=2, due_at=NOON + timedelta(seconds=1), requested_as_of=NOON)

    chosen = select_runs([later, RUN], limit=10)

    assert (ids(chosen), endings(chosen)) == ([1], {})


def test_a_back_off_holds_up_only_runs_for_the_same_instant() -> None:
    waiting = replace(RUN, available=False)
    later = replace(RUN, run_id=2, due_at=NOON + timedelta(seconds=1), requested_as_of=NOON)

    assert ids(select_runs([later, waiting], limit=10)) == [2]


def test_a_run_beyond_the_limit_keeps_its_older_ones_too() -> None:
    second = replace(RUN, run_id=2, segment_id=2, due_at=NOON + timedelta(seconds=1))
    third = replace(RUN, run_id=3, segment_id=2, due_at=NOON + timedelta(seconds=2))

    chosen = select_runs([RUN, second, third], limit=1)

    assert ids(chosen) == [1]
    assert endings(chosen) == {}


def test_runs_of_segments_that_may_not_be_refreshed_end_with_the_reason() -> None:
    chosen = select_runs(
        [
            replace(RUN, run_id=1, segment_id=1, segment_state="inactive"),
            replace(RUN, run_id=2, segment_id=2, segment_type="static"),
            replace(RUN, run_id=3, segment_id=3, deleted=True),
            replace(RUN, run_id=4, segment_id=4, cancel_requested=True),
            replace(RUN, run_id=5, segment_id=5, segment_type="static", trigger="manual"),
        ],
        limit=10,
    )

    assert ids(chosen) == [5]
    assert endings(chosen) == {
        1: ("skipped", "inactive"),
        2: ("skipped", "static"),
        3: ("cancelled", "deleted"),
        4: ("cancelled", "requested"),
    }
