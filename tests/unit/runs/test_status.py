from __future__ import annotations

from pathlib import Path

from muster_core.runs.state import INITIAL, TRANSITIONS, Reason, RunState
from muster_core.runs.status import TABLE, Status, explain, render_page

PAGE = Path(__file__).parents[3] / "docs" / "run-states.md"


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == render_page()


def test_every_state_and_every_reason_stands_in_the_table() -> None:
    assert {row.state for row in TABLE} == set(RunState)
    assert {row.reason for row in TABLE} - {None} == set(Reason)


def test_no_state_and_reason_stands_in_it_twice() -> None:
    assert len({(row.state, row.reason) for row in TABLE}) == len(TABLE)


def test_every_state_can_be_reached() -> None:
    assert {to for targets in TRANSITIONS.values() for to in targets} | INITIAL == set(RunState)


def test_a_segment_without_a_run_has_the_status_none() -> None:
    assert explain(None) == (Status.NONE, None)


def test_a_reason_of_another_release_is_shown_as_it_stands() -> None:
    assert explain("failed", "from the future") == (Status.FAILED, "from the future")


def test_a_run_that_waits_after_a_failure_is_not_called_queued() -> None:
    assert explain("pending", "retry") == (Status.FAILED_RETRYING, "will retry")
