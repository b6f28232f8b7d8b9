"""The whole project as a contender: ask for a refresh, wait, and read what the control database recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.data import AS_OF
from benchmarks.lane import Failed
from benchmarks.mix import Segment
from muster_console.operation.refresh import refresh_segments, wait_for_runs
from muster_console.operation.workspace import Workspace
from muster_console.parts.detached import living_record
from muster_console.parts.state import HomeRecord
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction

_OUTCOME = text("""
SELECT s.name, r.state, r.error, r.member_count, r.batch_id,
       extract(epoch FROM b.started_at - r.created_at) AS waited,
       extract(epoch FROM r.finished_at - r.created_at) AS seconds, b.seconds AS stages
  FROM refresh_run r JOIN segment s ON s.id = r.segment_id LEFT JOIN batch b ON b.id = r.batch_id
 WHERE r.id = ANY(:runs)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """One refresh, from the request to the last published version, by the database's clock."""

    seconds: float
    #: From the request to the claim.
    waited: float
    counts: list[int]
    stages: Mapping[str, float]
    batches: int


class Refresher:
    """Asks a running home for refreshes, as the command line does."""

    def __init__(self, home: Path) -> None:
        record = living_record(home.absolute())
        if record is None:
            raise LookupError(f"Nothing runs in {home}.")
        #: The process above all parts and services of the home.
        self.pid: int = record.pid
        #: The engine's process, with the Python processes that evaluate below it.
        self.engine_pid: int = _engine(record)
        settings = Settings(home=home)
        self._database = open_database(settings.database(), application="benchmark")
        self._workspace = Workspace(
            settings=settings, database=self._database, lake=Lake(settings.lake())
        )

    def refresh(self, segments: Sequence[Segment]) -> Refreshed:
        """Refresh the segments and wait until they are published.

        Raises:
            Failed: a run was not published.
        """
        names = [segment.name for segment in segments]
        requested = refresh_segments(self._workspace, names, as_of=AS_OF)
        runs = [run.run_id for run in requested]
        wait_for_runs(self._workspace, runs)
        with transaction(self._database) as connection:
            rows = {row.name: row for row in connection.execute(_OUTCOME, {"runs": runs})}
        lost = [row for row in rows.values() if row.state != "published"]
        if lost:
            raise Failed(f"{len(lost)} runs were not published, the first: {lost[0].error}")
        return Refreshed(
            seconds=float(max(row.seconds for row in rows.values())),
            waited=float(max(row.waited for row in rows.values())),
            counts=[rows[name].member_count for name in names],
            stages=_summed([dict(row.stages) for row in _batches(rows.values())]),
            batches=len(_batches(rows.values())),
        )

    def close(self) -> None:
        """Release the connections."""
        self._database.dispose()


def _engine(record: HomeRecord) -> int:
    for child in record.children:
        if child.name == "engine" and child.pid is not None:
            return child.pid
    raise LookupError("The home's engine does not run.")


def _batches(rows: Any) -> list[Any]:
    return list({row.batch_id: row for row in rows}.values())


def _summed(stages: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for stage in stages for name in stage)
    return {name: sum(stage.get(name, 0.0) for stage in stages) for name in names}
