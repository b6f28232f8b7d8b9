"""The stages of a system refresh, and what each of them came to: a pure function of what was counted.

Stages overlap: a segment is evaluated when its inputs are there, and an export sends a segment as soon as that
is published. What fails in one stage takes along only what depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """The four stages, in order."""

    INGEST = "ingest"
    MEASURES = "measures"
    SEGMENTS = "segments"
    EXPORTS = "exports"


class RefreshState(StrEnum):
    """How a system refresh, or one of its stages, stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    #: Something of it failed or was skipped, and something succeeded.
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a stage, or something in it, did nothing."""

    MISFIRE = "misfire"
    NOTHING_TO_DO = "nothing_to_do"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_SKIPPED = "upstream_skipped"
    UPSTREAM_CANCELLED = "upstream_cancelled"
    UPSTREAM_HELD = "upstream_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The parts of one stage by how they stand; `finished_at` is that of the last one that ended."""

    waiting: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def total(self) -> int:
        """Return how many parts there are."""
        return self.waiting + self.ended

    @property
    def ended(self) -> int:
        """Return how many parts nothing more happens to."""
        return self.succeeded + self.failed + self.skipped + self.cancelled

    def state(self) -> RefreshState:
        """Return what the parts come to together."""
        if self.waiting:
            return RefreshState.RUNNING if self.started_at else RefreshState.WAITING
        if self.succeeded:
            whole = self.succeeded == self.total
            return RefreshState.SUCCEEDED if whole else RefreshState.PARTIAL
        if self.failed:
            return RefreshState.FAILED
        return RefreshState.CANCELLED if self.cancelled else RefreshState.SKIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of one system refresh."""

    stage: Stage
    state: RefreshState
    reason: SkipReason | None
    total: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is kept and shown."""
        return {
            "stage": self.stage.value,
            "state": self.state.value,
            "reason": None if self.reason is None else self.reason.value,
            "total": self.total,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "skipped": self.skipped,
            "cancelled": self.cancelled,
            "started_at": None if self.started_at is None else self.started_at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
            "seconds": self.seconds,
        }


def stage_records(
    tallies: Mapping[Stage, Tally], *, pinned_at: datetime | None
) -> list[StageRecord]:
    """Return the four stages; ingest ends when the snapshot is pinned, and fails where no run came so far."""
    segments = tallies[Stage.SEGMENTS]
    ingest = _ingest(segments, pinned_at)
    known = {
        Stage.INGEST: ingest,
        Stage.MEASURES: tallies[Stage.MEASURES],
        Stage.SEGMENTS: segments,
        Stage.EXPORTS: tallies[Stage.EXPORTS],
    }
    return [_record(stage, tally, ingest, segments) for stage, tally in known.items()]


def refresh_state(stages: Sequence[StageRecord]) -> RefreshState:
    """Return how the whole stands: as its segments do, less good where an export failed."""
    by_stage = {record.stage: record for record in stages}
    segments, exports = by_stage[Stage.SEGMENTS], by_stage[Stage.EXPORTS]
    if segments.total == 0:
        return RefreshState.SUCCEEDED
    open_states = (RefreshState.WAITING, RefreshState.RUNNING)
    if segments.state in open_states or exports.state in open_states:
        return RefreshState.RUNNING
    if segments.state is RefreshState.SUCCEEDED and (exports.failed or exports.cancelled):
        return RefreshState.PARTIAL
    return segments.state


def _ingest(segments: Tally, pinned_at: datetime | None) -> Tally:
    started = segments.started_at
    if pinned_at is not None:
        return Tally(succeeded=1, started_at=started, finished_at=pinned_at)
    if segments.waiting:
        return Tally(waiting=1, started_at=started)
    if segments.failed:
        return Tally(failed=1, started_at=started, finished_at=segments.finished_at)
    return Tally(cancelled=1) if segments.cancelled else Tally(skipped=1)


def _record(stage: Stage, tally: Tally, ingest: Tally, segments: Tally) -> StageRecord:
    state = tally.state()
    reason = _reason(stage, tally, ingest, segments) if state is RefreshState.SKIPPED else None
    ended = state not in (RefreshState.WAITING, RefreshState.RUNNING)
    return StageRecord(
        stage=stage,
        state=state,
        reason=reason,
        total=tally.total,
        succeeded=tally.succeeded,
        failed=tally.failed,
        skipped=tally.skipped,
        cancelled=tally.cancelled,
        started_at=tally.started_at,
        finished_at=tally.finished_at if ended else None,
    )


def _reason(stage: Stage, tally: Tally, ingest: Tally, segments: Tally) -> SkipReason:
    if stage in (Stage.INGEST, Stage.SEGMENTS):
        return SkipReason.NOTHING_TO_DO
    if ingest.failed or (stage is Stage.EXPORTS and tally.total and segments.failed):
        return SkipReason.UPSTREAM_FAILED
    return SkipReason.UPSTREAM_SKIPPED if tally.total else SkipReason.NOTHING_TO_DO
