"""One engine job: a plan evaluated, or its customers ranked, over all partitions of a snapshot.

Each partition is a task of its own, unless fewer may be in flight: then a task does several, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from muster_core.errors import TerminalError
from muster_core.kernel.node import Threshold
from muster_core.kernel.plan import Plan
from muster_core.kernel.tally import Tally, length_of, tallies_of, unpack_counts
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile
from muster_worker.engine.python_task import PythonTask
from muster_worker.engine.session import engine_errors
from muster_worker.evaluate.ranking import SCHEMA as RANK_SCHEMA
from muster_worker.evaluate.ranking import RankTask, thresholds_from
from muster_worker.evaluate.task import SCHEMA, EvaluateTask, TaskInput, do_nothing

#: Told as (tasks, tasks done) while a job runs.
Progress = Callable[[int, int], None]

_NUMBERS = 1 << 10
_CRASHED = "Python worker exited unexpectedly"


class TaskCrashed(TerminalError):
    """A Python process of the engine died while it evaluated."""

    code = "task_crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a job found: the files it wrote and, per segment, its bit and tallies over all partitions.

    `work` is what each segment costs, see `muster_core.kernel.share`.
    """

    words: int
    bits: Mapping[int, int]
    tallies: Mapping[int, Tally]
    files: tuple[MatrixFile, ...]
    work: Mapping[int, float] = field(default_factory=dict)


def plan_path(directory: str, plan: Plan) -> str:
    """Return where `plan` stands in the batch's `directory`: its name is its content.

    No two batches share one, so that collecting what an ended batch left takes nothing from another.
    """
    return f"{directory}/plan-{plan.sha256}.json"


def write_plan(lake: Lake, directory: str, plan: Plan) -> str:
    """Put `plan` into the batch's `directory`, where it is not there yet; return its path.

    Raises:
        NoSpace: the disk is full.
    """
    path = plan_path(directory, plan)
    if not lake.exists(path):
        lake.write_bytes(path, plan.to_json())
    return path


def run_job(
    spark: SparkSession,
    plan: Plan,
    given: TaskInput,
    *,
    partitions: int,
    progress: Progress,
    tasks: int | None = None,
) -> Evaluation:
    """Evaluate `plan` on every partition, in so many tasks (None: one each), and return what came back.

    Raises:
        EngineUnavailable: the engine was lost, or the job was interrupted.
        NoSpace: a task found the disk full.
        TaskCrashed: a Python process of the engine died.
        TerminalError: a task raised an error; a Muster error keeps its class.
    """
    task = EvaluateTask(given)
    rows = _run(spark, task, SCHEMA, partitions=partitions, tasks=tasks, progress=progress)
    return _gather(plan, rows, partitions)


def run_rank_job(
    spark: SparkSession,
    plan: Plan,
    given: TaskInput,
    *,
    lake: Lake,
    partitions: int,
    progress: Progress,
    tasks: int | None = None,
) -> tuple[Threshold, ...]:
    """Rank the customers of every partition and return the thresholds of `plan`, a `Plan.rank_plan`.

    Raises:
        EngineUnavailable, NoSpace, TaskCrashed, TerminalError: as for `run_job`.
    """
    task = RankTask(given)
    rows = _run(spark, task, RANK_SCHEMA, partitions=partitions, tasks=tasks, progress=progress)
    return thresholds_from(lake, plan, rows, partitions)


def run_nothing(spark: SparkSession) -> None:
    """Let the engine load its code and start its Python processes: what it does first takes seconds longer.

    Raises:
        EngineUnavailable: the engine is gone, or the job was interrupted.
    """
    with engine_errors():
        # spread over as many tasks as the engine has cores
        spark.range(_NUMBERS).mapInArrow(PythonTask(do_nothing), "id long").toArrow()


def _run(
    spark: SparkSession,
    task: EvaluateTask | RankTask,
    schema: str,
    *,
    partitions: int,
    tasks: int | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    tasks = number_of_tasks(partitions, tasks)
    handler = _Watch(tasks, progress)
    spark.registerProgressHandler(handler)
    try:
        with engine_errors():
            numbers = spark.range(0, partitions, 1, tasks)
            rows: list[dict[str, Any]] = (
                numbers.mapInArrow(PythonTask(task), schema).toArrow().to_pylist()
            )
    except TerminalError as exc:
        if _CRASHED in str(exc.__cause__):
            raise TaskCrashed() from exc
        raise
    finally:
        spark.removeProgressHandler(handler)
    progress(tasks, tasks)
    return rows


def number_of_tasks(partitions: int, most: int | None) -> int:
    """Return how many tasks a job over `partitions` has where `most` may be in flight; None: any number."""
    return partitions if most is None else min(partitions, most)


def _gather(plan: Plan, rows: Iterable[Mapping[str, Any]], partitions: int) -> Evaluation:
    files: dict[int, MatrixFile] = {}
    counts = np.zeros(length_of(plan), dtype=np.int64)
    for row in rows:
        files[row["partition"]] = MatrixFile.model_validate_json(row["file"])
        counts += unpack_counts(plan, row["counts"])
    if sorted(files) != list(range(partitions)):
        raise TerminalError(f"The engine returned {len(files)} partitions instead of {partitions}.")
    return Evaluation(
        words=plan.words,
        bits=plan.bits,
        tallies=tallies_of(plan, counts),
        files=tuple(files[number] for number in range(partitions)),
    )


class _Watch:
    """Turns the engine's progress reports into (tasks, tasks done)."""

    def __init__(self, tasks: int, progress: Progress) -> None:
        self._tasks = tasks
        self._progress = progress

    def __call__(self, stages: Iterable[Any] | None, **_: object) -> None:
        done = sum(stage.num_completed_tasks for stage in stages or ())
        self._progress(self._tasks, min(done, self._tasks))
