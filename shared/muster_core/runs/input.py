"""What a run was computed from beside its rules and the snapshot: members of other segments, and measures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSegment:
    """The members of a referred segment that a run used, or would have used had it not been skipped."""

    segment: str
    policy: str
    #: None until the batch is published where the members come from the same batch.
    version: int | None
    as_of: datetime | None
    published_at: datetime | None
    same_batch: bool
    #: The run of the same batch the members come from.
    run_id: int | None = None
    #: Seconds since the publication when the batch was planned.
    age_seconds: float | None = None
    #: Why they are not fresh, see `muster_core.runs.freshness`; None where they are.
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as it is kept on the run."""
        found = asdict(self)
        for name in ("as_of", "published_at"):
            found[name] = found[name] and found[name].isoformat()
        return found

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> UsedSegment:
        """Return the entry as it was kept on the run."""
        known: dict[str, Any] = {name: entry.get(name) for name in cls.__slots__}
        for name in ("as_of", "published_at"):
            written = known[name]
            known[name] = None if written is None else datetime.fromisoformat(written)
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedMeasure:
    """A measure as a run used it."""

    measure: str
    rev: int
    digest: str


def stale_segments(inputs: Mapping[str, Any] | None) -> tuple[UsedSegment, ...]:
    """Return the members that were not fresh, of what is kept on a run."""
    entries = (inputs or {}).get("segments", ())
    return tuple(UsedSegment.from_json(e) for e in entries if e["reason"] is not None)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything a run used; kept as `refresh_run.inputs`."""

    segments: tuple[UsedSegment, ...] = ()
    measures: tuple[UsedMeasure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is kept on the run."""
        return {
            "segments": [used.to_json() for used in self.segments],
            "measures": [asdict(used) for used in self.measures],
        }

    @cached_property
    def sha256(self) -> str:
        """Return what pins the inputs: measures by meaning, members by the version or run they come from."""
        pinned = {
            "segments": sorted(
                [used.segment, used.version or 0, used.run_id or 0] for used in self.segments
            ),
            "measures": sorted([used.measure, used.digest] for used in self.measures),
        }
        return hashlib.sha256(json.dumps(pinned, separators=(",", ":")).encode()).hexdigest()
