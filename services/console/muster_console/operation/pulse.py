"""Lists that stay live: what changed about segments, asked once a second however many people look."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from muster_console.operation.segment import SegmentLine, list_segments
from muster_console.operation.workspace import Workspace
from muster_core.runs.status import Status, explain
from muster_core.storage.database import transaction
from muster_core.storage.pulse import SegmentPulse, segment_pulses


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSegment:
    """A segment as the list shows it, and the part of its run's work that is done, 0 to 1."""

    line: SegmentLine
    share: float | None
    run_id: int | None


class SegmentWatch:
    """The list of segments, shared by everybody who looks at it.

    Definitions are read again only where one has changed; the rest is one query, at most once in `seconds`.
    """

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._lines: dict[str, SegmentLine] = {}
        self._seen: dict[str, tuple[SegmentPulse, SegmentLine, LiveSegment]] = {}
        self._found: list[LiveSegment] = []

    def look(self, workspace: Workspace) -> list[LiveSegment]:
        """Return every segment by name, at most a second old."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._seconds:
                self._found = self._read(workspace)
                self._read_at = time.monotonic()
            return self._found

    def forget(self) -> None:
        """Read anew at the next look: somebody has changed something here."""
        with self._lock:
            self._read_at = float("-inf")

    def _read(self, workspace: Workspace) -> list[LiveSegment]:
        with transaction(workspace.database) as connection:
            pulses = segment_pulses(connection)
        if any(self._stale(pulse) for pulse in pulses) or len(pulses) != len(self._lines):
            self._lines = {line.name: line for line in list_segments(workspace)}
        # one made or removed between the two queries comes with the next look
        self._seen = {
            pulse.name: self._put(self._lines[pulse.name], pulse)
            for pulse in pulses
            if pulse.name in self._lines
        }
        return [live for _, _, live in self._seen.values()]

    def _put(
        self, line: SegmentLine, pulse: SegmentPulse
    ) -> tuple[SegmentPulse, SegmentLine, LiveSegment]:
        # of a thousand segments a few have changed since; the others stay the same objects
        known = self._seen.get(pulse.name)
        if known is not None and known[1] is line and known[0] == pulse:
            return known
        return pulse, line, _live(line, pulse)

    def _stale(self, pulse: SegmentPulse) -> bool:
        known = self._lines.get(pulse.name)
        return known is None or known.rev != pulse.rev or known.state != pulse.state


def _live(line: SegmentLine, pulse: SegmentPulse) -> LiveSegment:
    status, reason = explain(pulse.run_state, pulse.run_reason, warned=pulse.run_warned)
    if line.reason == "unreadable":
        status, reason = Status.FAILED, line.reason
    problem = line.problem if line.reason == "unreadable" else pulse.run_error
    return LiveSegment(
        line=replace(
            line,
            status=status,
            reason=reason,
            members=pulse.member_count,
            version=pulse.version,
            refreshed_at=pulse.published_at,
            # a segment that goes with the system refresh has no time of its own
            next_due_at=pulse.next_due_at or line.next_due_at,
            problem=pulse.schedule_error or problem,
        ),
        share=pulse.tasks_done / pulse.tasks
        if pulse.tasks and pulse.tasks_done is not None
        else None,
        run_id=pulse.run_id,
    )
