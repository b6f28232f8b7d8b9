"""What one engine task does: evaluate a plan on one partition, write its words, return their name.

A task carries short strings only; plan and snapshot are read from the lake, each checked by its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from muster_core.errors import StoreDamaged
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.failure import only_muster_errors
from muster_core.kernel.plan import Plan
from muster_core.kernel.tally import pack_counts
from muster_core.lake.location import Lake
from muster_core.lake.matrix import write_words
from muster_core.lake.store import Store

#: What a task returns, in Spark's words.
SCHEMA = "partition long, file string, counts binary"

_ARROW = pa.schema(
    [("partition", pa.int64()), ("file", pa.string()), ("counts", pa.binary())],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """Where a task finds its plan and snapshot, and the directory it writes its words to."""

    lake_url: str
    plan: str
    plan_sha256: str
    snapshot: str
    snapshot_sha256: str
    directory: str
    #: Bytes the task's process may take; None: no bound.
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluateTask:
    """The function a job ships: called with batches of partition numbers.

    Safe to run twice: every call writes files of its own names, and only returned names count.
    """

    given: TaskInput

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Evaluate each partition named in column 0 and yield one row for it."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield evaluate_partition(self.given, number)


def do_nothing(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return what comes: a task that only makes its process import what the others of this module need."""
    yield from batches


def evaluate_partition(given: TaskInput, number: int) -> Any:
    """Return partition `number`'s row: its matrix file as JSON and its packed counts.

    Raises:
        MusterError: its own class, which the worker finds again in the engine's report.
        TerminalError: any other error, by class and place only: its text may quote a member's data.
    """
    with only_muster_errors():
        file, counts = _evaluate(given, number)
    return pa.RecordBatch.from_pydict(
        {"partition": [number], "file": [file], "counts": [counts]}, schema=_ARROW
    )


def open_input(given: TaskInput) -> tuple[Lake, Plan, Store]:
    """Open what a task is given.

    Raises:
        StoreDamaged: plan or snapshot are not those that were written.
    """
    lake = Lake(given.lake_url)
    plan = _plan(lake, given.plan, given.plan_sha256)
    return lake, plan, _store(lake, given.snapshot, given.snapshot_sha256)


def _evaluate(given: TaskInput, number: int) -> tuple[str, bytes]:
    lake, plan, store = open_input(given)
    result = evaluate(plan, store.partition(number), memory=given.memory)
    file = write_words(lake, given.directory, number, result.words)
    return file.model_dump_json(), pack_counts(result.counts)


# An engine's Python process serves many tasks of one batch; both objects are immutable.
@lru_cache(maxsize=4)
def _plan(lake: Lake, path: str, sha256: str) -> Plan:
    data = lake.read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreDamaged(f"The plan {path} is not the one that was written.")
    return Plan.from_json(data)


@lru_cache(maxsize=2)
def _store(lake: Lake, path: str, sha256: str) -> Store:
    return Store.open(lake, path, sha256)
