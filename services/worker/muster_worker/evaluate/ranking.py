"""The job that finds the thresholds of a plan's ranks: candidates of every partition, then the last one taken.

Candidates are scratch files below the batch's directory that no manifest names; garbage collection removes them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from muster_core.errors import TerminalError
from muster_core.kernel.failure import only_muster_errors
from muster_core.kernel.node import Threshold
from muster_core.kernel.plan import Plan
from muster_core.kernel.rank import Candidates, find_thresholds, rank_candidates
from muster_core.lake.location import Lake
from muster_worker.evaluate.task import TaskInput, open_input

#: What a task returns, in Spark's words: files and summaries, one a rank.
SCHEMA = "partition long, files string, summaries array<binary>"

_ARROW = pa.schema(
    [
        ("partition", pa.int64()),
        ("files", pa.string()),
        ("summaries", pa.list_(pa.binary())),
    ],
)


@dataclass(frozen=True, slots=True)
class RankTask:
    """The function a ranking job ships: called with batches of partition numbers.

    Safe to run twice: every call writes files of its own names, and only returned names count.
    """

    given: TaskInput

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rank each partition named in column 0 and yield one row for it."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield rank_partition(self.given, number)


def rank_partition(given: TaskInput, number: int) -> Any:
    """Return partition `number`'s row: the files of its candidates and what they begin with.

    Raises:
        MusterError: its own class, which the worker finds again in the engine's report.
        TerminalError: any other error, by class and place only: its text may quote a member's data.
    """
    with only_muster_errors():
        lake, plan, store = open_input(given)
        files, summaries = [""] * len(plan.ranks), [b""] * len(plan.ranks)
        # one after the other: together the candidates of many ranks would not fit into memory
        for place, one in rank_candidates(plan, store.partition(number), given.memory):
            files[place] = _write(lake, given.directory, number, one)
            summaries[place] = one.summary()
    return pa.RecordBatch.from_pydict(
        {"partition": [number], "files": [json.dumps(files)], "summaries": [summaries]},
        schema=_ARROW,
    )


def _write(lake: Lake, directory: str, number: int, candidates: Candidates) -> str:
    path = f"{directory}/rank-{number:05d}-{uuid.uuid4().hex}.arrow"
    lake.write_bytes(path, candidates.to_bytes())
    return path


def thresholds_from(
    lake: Lake, plan: Plan, rows: Sequence[dict[str, Any]], partitions: int
) -> tuple[Threshold, ...]:
    """Return the thresholds of `plan`'s ranks from the rows of its ranking job.

    Of the candidates only the batches are read in which the last one taken may stand.

    Raises:
        TerminalError: the engine returned other partitions than it was given.
        StoreDamaged: a file is missing.
    """
    found = {row["partition"]: row for row in rows}
    if sorted(found) != list(range(partitions)):
        raise TerminalError(f"The engine returned {len(found)} partitions instead of {partitions}.")
    files = [json.loads(found[number]["files"]) for number in range(partitions)]

    def read(partition: int, rank: int, number: int) -> pa.RecordBatch:
        with lake.open_input(files[partition][rank]) as source:
            return pa.ipc.open_file(source).get_batch(number)

    with only_muster_errors():
        return find_thresholds(plan, [found[n]["summaries"] for n in range(partitions)], read)
