"""What a claim gives its holder: a batch of runs under one fence, each with its segment as it was then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster_core.lake.manifest import Pointer
from muster_core.rules.document import SegmentDocument
from muster_core.rules.measure import MeasureDocument
from muster_core.runs.state import SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPolicy:
    """What bounds a claim: how many runs, beside how many batches, and how waiting makes runs urgent."""

    limit: int = 1_000
    #: Batches at the same time, over all workers; None for any number.
    concurrent: int | None = None
    #: How long a run waits to become one step more urgent.
    ageing: timedelta = timedelta(minutes=10)
    #: The newest form of run that this release can read.
    schema_version: int = SCHEMA_VERSION

    @property
    def parameters(self) -> dict[str, object]:
        """Return what the statements of a claim are given."""
        return {"schema": self.schema_version, "ageing": self.ageing.total_seconds()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """One run of a batch, with the segment as it was when it was claimed."""

    run_id: int
    segment_id: int
    name: str
    document: SegmentDocument
    rule_rev: int
    rule_hash: str
    due_at: datetime
    attempt: int
    #: Where the version before has its members; None for the first.
    previous: Pointer | None
    previous_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMeasure:
    """A measure as it was when the batch was claimed."""

    document: MeasureDocument
    rev: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A batch: every write of its holder names `fence`, and changes nothing once that is not the run's."""

    batch_id: int
    fence: int
    worker: str
    as_of: datetime
    #: The snapshot an earlier batch of the same system refresh was evaluated on; None: the newest.
    snapshot_id: int | None
    system_refresh_id: int | None
    #: Those referred to before those that refer to them.
    runs: tuple[ClaimedRun, ...]
    #: Every measure the runs use, by name; one that is missing was deleted or cannot be read.
    measures: Mapping[str, ClaimedMeasure] = field(default_factory=dict)

    @property
    def run_ids(self) -> list[int]:
        """Return the ids of the runs, ascending."""
        return sorted(run.run_id for run in self.runs)
