"""A shop evaluated twice, on any engine, from any source, in any number of partitions and tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from tests.shop import CATALOG, LAST_ORDER, Shop, in_country, ordered, segment, spent

from muster_core.catalog.text import read_catalog
from muster_core.kernel.budget import least_memory
from muster_core.kernel.extent import Extent
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.kernel.tally import Tally
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixManifest, Pointer
from muster_core.lake.matrix import write_manifest
from muster_core.lake.store import Store
from muster_core.rules.document import parse_segment
from muster_worker.evaluate.job import Evaluation, run_job, write_plan
from muster_worker.evaluate.task import TaskInput
from muster_worker.extract.ingest import extract_due
from muster_worker.prepare.preparation import Preparation, prepare

POSTGRES = CATALOG.replace(
    "{parquet: customers.parquet}", "{postgres: {connection: SHOP, table: customers}}"
).replace("{parquet: orders}", "{postgres: {connection: SHOP, table: orders}}")

SEGMENTS = {
    "british": in_country("GB"),
    "regulars": ordered(8),
    "lately": ordered(1, within="90 days"),
    "online": ordered(3, within="1 year", channel="web"),
    "spenders": spent("700.50"),
    "quiet": {"kind": "not", "of": ordered(1, within="300 days")},
    "both": {"kind": "all", "of": [in_country("DE"), ordered(5), spent("400")]},
}

#: Members and counts of every segment.
Found = Mapping[str, tuple[frozenset[str], Tally]]


@contextmanager
def shop_in_postgres(postgres_url: str, shop: Shop, name: str) -> Iterator[str]:
    """Yield the address of a database with the rows of the shop's files."""
    url = f"{postgres_url.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        with (
            adbc_driver_postgresql.dbapi.connect(url) as connection,
            connection.cursor() as cursor,
        ):
            orders = shop.frame("orders")
            place = orders.schema.get_field_index("amount")
            as_text = orders.set_column(place, "amount", orders["amount"].cast("string"))
            cursor.adbc_ingest("customers", shop.frame("customers"), mode="create")
            cursor.adbc_ingest("orders", as_text, mode="create")
            connection.commit()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE orders ALTER amount TYPE numeric(12,2) USING amount::numeric"
            )
        yield url
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedShop:
    """The shop's store on one engine."""

    spark: SparkSession
    lake: Lake
    made: Preparation

    @classmethod
    def of(
        cls, spark: SparkSession, lake: Lake, text: str, shop: Shop, partitions: int
    ) -> PreparedShop:
        """Extract and prepare the shop that the catalog `text` names."""
        catalog = resolve_catalog(read_catalog(text, "catalog.yaml"), base=shop.folder).catalog
        extract_due(lake, catalog, os.environ)
        made = prepare(spark, lake, catalog, parent=None, partitions=partitions)
        assert made.manifest.partitions == partitions
        return cls(spark=spark, lake=lake, made=made)

    def evaluate(self, *, tasks: int | None = None, tight: bool = False) -> Found:
        """Evaluate every segment as of some time ago, and again against these members."""
        nobody: dict[str, Pointer] = {}
        before = self._run(LAST_ORDER - timedelta(days=120), nobody, tasks, tight=tight)
        evaluation = self._run(LAST_ORDER, self._pointers(before), tasks, tight=tight)
        members = self._members(evaluation)
        return {
            name: (frozenset(members[name]), evaluation.tallies[place + 1])
            for place, name in enumerate(SEGMENTS)
        }

    def _run(
        self, as_of: datetime, before: Mapping[str, Pointer], tasks: int | None, *, tight: bool
    ) -> Evaluation:
        manifest = self.made.manifest
        planned = [
            PlannedSegment(
                segment_id=number + 1,
                document=parse_segment(segment(name, where)),
                previous=before.get(name),
            )
            for number, (name, where) in enumerate(SEGMENTS.items())
        ]
        plan = compile_plan(planned, manifest.catalog, as_of)
        path = write_plan(self.lake, "matrix", plan)
        largest = Extent.largest(self._store().sizes(plan.tables))
        given = TaskInput(
            lake_url=self.lake.url,
            plan=path,
            plan_sha256=plan.sha256,
            snapshot=self.made.manifest_path,
            snapshot_sha256=self.made.sha256,
            directory="matrix",
            memory=least_memory(plan, largest) if tight else None,
        )
        return run_job(
            self.spark,
            plan,
            given,
            partitions=manifest.partitions,
            tasks=tasks,
            progress=lambda *_: None,
        )

    def _store(self) -> Store:
        return Store.open(self.lake, self.made.manifest_path, self.made.sha256)

    def _pointers(self, evaluation: Evaluation) -> dict[str, Pointer]:
        matrix = MatrixManifest(
            snapshot=self.made.manifest_path,
            snapshot_sha256=self.made.sha256,
            as_of="",
            plan_sha256="",
            words=evaluation.words,
            segments={},
            counts={},
            files=list(evaluation.files),
        )
        path, sha256 = write_manifest(self.lake, "matrix", matrix)
        return {
            name: Pointer(manifest=path, manifest_sha256=sha256, bit=evaluation.bits[place + 1])
            for place, name in enumerate(SEGMENTS)
        }

    def _members(self, evaluation: Evaluation) -> dict[str, set[str]]:
        files = {file.partition: file.path for file in evaluation.files}
        found: dict[str, set[str]] = {name: set() for name in SEGMENTS}
        store = self._store()
        for number in range(store.manifest.partitions):
            keys = store.partition(number).profile(["customer_id"])["customer_id"].to_pylist()
            words: Sequence[Any] = pq.read_table(self.lake.locate(files[number]))["w0"].to_pylist()
            for place, name in enumerate(SEGMENTS):
                bit = evaluation.bits[place + 1]
                found[name] |= {k for k, w in zip(keys, words, strict=True) if w >> bit & 1}
        return found


def check(shop: Shop, found: Found) -> None:
    """Hold some of it against the rows, so that equal is not equally wrong."""
    customers, orders = shop.frame("customers"), shop.frame("orders")
    british = customers.filter(pc.field("country") == "GB")["customer_id"].to_pylist()
    assert found["british"][0] == set(british)
    totals = orders.group_by("customer_id").aggregate([("amount", "sum")])
    assert found["spenders"][0] == {
        row["customer_id"] for row in totals.to_pylist() if float(row["amount_sum"]) >= 700.5
    }
    for keys, tally in found.values():
        assert 0 < len(keys) == tally.count == tally.running[-1] < shop.customers
    # nobody moved, and people ordered more than they had
    assert (found["british"][1].joined, found["british"][1].left) == (0, 0)
    assert found["spenders"][1].joined > found["spenders"][1].left == 0
    assert found["lately"][1].left > 0
    inner = found["both"][1].nodes
    assert inner["/rules/0/where/of/1"] >= inner["/rules/0/where"] == len(found["both"][0])
