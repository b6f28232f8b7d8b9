"""Running tasks that know their work by number: by the engine, one number a task, or here one after the other."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from muster_worker.engine.python_task import PythonTask, Work
from muster_worker.engine.session import engine_errors


def run_numbered(spark: SparkSession, task: Work, count: int, *, here: bool) -> list[Any]:
    """Return what `task` answers, from JSON, for the numbers below `count`; in no order.

    Raises:
        MusterError: what the task raises, or the engine (see `engine_errors`).
    """
    if here:
        numbers = pa.RecordBatch.from_pydict({"id": pa.array(range(count), pa.int64())})
        return [json.loads(answer.column("result")[0].as_py()) for answer in task([numbers])]
    with engine_errors():
        told = spark.range(0, count, 1, count).mapInArrow(PythonTask(task), "result string")
        return [json.loads(row["result"]) for row in told.collect()]
