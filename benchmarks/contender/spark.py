"""Spark SQL: one query a segment, on the engine that Muster itself uses."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contender.contender import Stage
from benchmarks.data import TABLES
from benchmarks.mix import Segment
from benchmarks.query import SPARK, alone
from muster_core.settings import Settings
from muster_worker.engine.session import connect


class SparkEach:
    """One query a segment over the source files."""

    def __init__(self, stage: Stage) -> None:
        self._spark = connect(Settings(home=stage.home).engine_url(), user_id="benchmark")
        self._spark.conf.set("spark.sql.session.timeZone", "UTC")
        self._spark.conf.set("spark.sql.shuffle.partitions", str(2 * stage.cores))
        for table in ("customers", *TABLES):
            frame = self._spark.read.parquet(f"file://{stage.dataset.folder}/{table}")
            frame.createOrReplaceTempView(table)

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Run one query after the other."""
        return [int(self._spark.sql(alone(s, SPARK)).collect()[0][0]) for s in segments]
