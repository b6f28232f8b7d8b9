from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from muster_core.schedules.stage import (
    RefreshState,
    SkipReason,
    Stage,
    StageRecord,
    Tally,
    refresh_state,
    stage_records,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def records(
    segments: Tally,
    *,
    measures: Tally | None = None,
    exports: Tally | None = None,
    pinned_at: datetime | None = None,
) -> dict[Stage, StageRecord]:
    found = stage_records(
        {
            Stage.MEASURES: measures or Tally(),
            Stage.SEGMENTS: segments,
            Stage.EXPORTS: exports or Tally(),
        },
        pinned_at=pinned_at,
    )
    assert [record.stage for record in found] == list(Stage)
    return {record.stage: record for record in found}


def test_ingest_lasts_from_the_first_claim_to_the_pinned_snapshot():
    segments = Tally(waiting=1, succeeded=2, started_at=after(1), finished_at=after(9))

    found = records(segments, pinned_at=after(4))

    assert (found[Stage.INGEST].state, found[Stage.INGEST].seconds) == ("succeeded", 3)
    assert (found[Stage.SEGMENTS].state, found[Stage.SEGMENTS].seconds) == ("running", None)
    assert refresh_state(list(found.values())) == RefreshState.RUNNING


def test_where_no_run_came_to_a_snapshot_ingest_failed_and_the_rest_says_so():
    segments = Tally(failed=3, started_at=after(1), finished_at=after(9))

    found = records(segments, exports=Tally(skipped=2))

    assert found[Stage.INGEST].state == RefreshState.FAILED
    assert found[Stage.MEASURES].reason == SkipReason.UPSTREAM_FAILED
    assert found[Stage.EXPORTS].reason == SkipReason.UPSTREAM_FAILED
    assert refresh_state(list(found.values())) == RefreshState.FAILED


def test_a_failed_export_makes_the_refresh_partial():
    segments = Tally(succeeded=2, started_at=after(1), finished_at=after(5))
    exports = Tally(succeeded=1, failed=1, started_at=after(5), finished_at=after(8))

    found = records(segments, exports=exports, pinned_at=after(2))

    assert found[Stage.EXPORTS].state == RefreshState.PARTIAL
    assert found[Stage.MEASURES].reason == SkipReason.NOTHING_TO_DO
    assert refresh_state(list(found.values())) == RefreshState.PARTIAL


def test_a_refresh_of_nothing_has_succeeded():
    assert refresh_state(list(records(Tally()).values())) == RefreshState.SUCCEEDED


tallies = st.builds(
    Tally,
    waiting=st.integers(0, 2),
    succeeded=st.integers(0, 2),
    failed=st.integers(0, 2),
    skipped=st.integers(0, 2),
    cancelled=st.integers(0, 2),
    started_at=st.sampled_from([None, after(1)]),
    finished_at=st.sampled_from([None, after(5)]),
)


@given(tallies, tallies, tallies, st.sampled_from([None, after(2)]))
def test_a_refresh_runs_just_as_long_as_a_run_or_a_delivery_waits(
    measures, segments, exports, pinned_at
):
    found = list(
        records(segments, measures=measures, exports=exports, pinned_at=pinned_at).values()
    )

    waits = bool(segments.total and (segments.waiting or exports.waiting))
    assert (refresh_state(found) == RefreshState.RUNNING) == waits
    for record in found:
        assert record.total == record.succeeded + record.failed + record.skipped + (
            record.cancelled
        ) or record.state in (RefreshState.WAITING, RefreshState.RUNNING)
        assert (record.reason is not None) == (record.state is RefreshState.SKIPPED)
