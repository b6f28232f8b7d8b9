"""A small shop: as plain rows for the reference, and as a store published over a lake, without an engine.

Longer than other files, because rows and store are two sights of the same shop and are read beside each other.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from tests.conformance.preparation import Prepared, Shape, prepare
from tests.conformance.reference import Reference
from tests.conformance.reference_row import World

from muster_console.operation.workspace import Workspace
from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.quantile import Spread
from muster_core.catalog.reference import dimension_keys
from muster_core.catalog.statistic import ColumnStatistic, Statistics, TableStatistic
from muster_core.lake.location import Lake
from muster_core.lake.manifest import (
    ALIVE,
    DimensionTable,
    KeyRange,
    MatrixManifest,
    Pointer,
    PreparedTable,
    SnapshotManifest,
    StoreFile,
)
from muster_core.lake.matrix import write_manifest, write_words
from muster_core.lake.statistic import write_statistics
from muster_core.lake.store import write_snapshot
from muster_core.rules.document import parse_segment
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment
from muster_core.storage.run_table import membership_pointer, membership_version, refresh_run
from muster_core.storage.segment import apply_segment
from muster_core.storage.snapshot import publish_snapshot, read_head, take_lease

AS_OF = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)
PARTITIONS = 8

CATALOG: dict[str, Any] = {
    "timezone": "UTC",
    "profile": {
        "name": "customers",
        "key": "id",
        "columns": {
            "id": "text",
            "country": "text",
            "email": "text",
            "age": "integer",
            "spent": "decimal(10,2)",
            "vip": "boolean",
            "born": "date",
        },
    },
    "tables": {
        "orders": {
            "time": "at",
            "row_key": ["no"],
            "columns": {
                "no": "integer",
                "customer": "text",
                "product": "text",
                "at": "timestamp",
                "total": "decimal(10,2)",
            },
        },
        "products": {
            "time": None,
            "row_key": [],
            "columns": {"code": "text", "category": "text"},
        },
    },
    "relationships": [
        {"name": "buyer", "from": "orders.customer", "to": "customers.id", "kind": "many_to_one"},
        {
            "name": "product",
            "from": "orders.product",
            "to": "products.code",
            "kind": "many_to_one",
        },
    ],
    "histories": {},
}


@cache
def _shop_world() -> World:
    """Return the one world of all shops; nobody changes its rows."""
    return make_world()


@cache
def _laid_out(partitions: int) -> Prepared:
    return prepare(_shop_world(), Shape(partitions=partitions, hashed=True))


def make_world(customers: int = 800, orders: int = 3_000, *, seed: int = 1) -> World:
    """Return the shop's rows: missing values, customers without orders, orders after `AS_OF`."""
    chance = random.Random(seed)

    def some(value: Any) -> Any:
        return None if chance.random() < 0.1 else value

    ids = [f"C{number:05d}" for number in range(customers)]
    profile = [
        {
            "id": key,
            "country": some(chance.choice(["GB", "GB", "DE", "FR", "US"])),
            "email": f"{key.lower()}@canary.example",
            "age": some(chance.randrange(18, 90)),
            "spent": some(Decimal(chance.randrange(0, 200_000)) / 100),
            "vip": some(chance.random() < 0.2),
            "born": some(date(1940, 1, 1) + timedelta(days=chance.randrange(25_000))),
        }
        for key in ids
    ]
    bought = [
        {
            "no": number,
            "customer": chance.choice(ids[: customers * 3 // 4]),
            "product": chance.choice(["P1", "P2", "P3", "P4", None]),
            "at": AS_OF - timedelta(minutes=chance.randrange(-20_000, 500_000)),
            "total": some(Decimal(chance.randrange(1, 50_000)) / 100),
        }
        for number in range(orders)
    ]
    products = [
        {"code": code, "category": kind}
        for code, kind in (("P1", "toys"), ("P2", "toys"), ("P3", "books"), ("P4", None))
    ]
    return World(
        catalog=CATALOG, rows={"customers": profile, "orders": bought, "products": products}
    )


@dataclass(kw_only=True)
class Shop:
    """A workspace whose store holds a world, and the short way to publish members over it."""

    workspace: Workspace
    world: World
    #: Columns of the profile that are personal.
    personal: tuple[str, ...] = ()
    #: The customers of each partition, by ordinal.
    keys: list[list[Any]] = field(default_factory=list)
    snapshot: int | None = None
    generation: int = 0
    #: Members as they were published, by segment and version.
    members: dict[tuple[str, int], set[Any]] = field(default_factory=dict)

    def prepare(self, partitions: int, *, generation: int) -> None:
        """Write the world's store anew, customers numbered by so many partitions, and put it in use."""
        lake, folder = self.workspace.lake, f"store/{generation}"
        prepared = _laid_out(partitions)
        profile = prepared.catalog.profile.model_copy(update={"personal": list(self.personal)})
        catalog = prepared.catalog.model_copy(update={"profile": profile})
        manifest = _manifest(lake, folder, catalog, prepared.partitions)
        counted = write_statistics(lake, folder, _statistics(self.world, catalog))
        manifest = manifest.model_copy(update={"statistics": counted, "generation": generation})
        path, sha256 = write_snapshot(lake, folder, manifest)
        with transaction(self.workspace.database) as connection:
            catalog_id, _ = apply_catalog(connection, catalog)
            fence = take_lease(connection, owner="test", lease=timedelta(minutes=1))
            assert fence is not None
            self.snapshot = publish_snapshot(
                connection,
                fence=fence,
                parent_id=self.snapshot,
                generation=generation,
                manifest=path,
                manifest_sha256=sha256,
                catalog_id=catalog_id,
                customers=manifest.customers,
                report={},
            )
        self.keys, self.generation = prepared.keys, generation

    def reference(self, as_of: datetime = AS_OF) -> Reference:
        """Return what is true of the world."""
        return Reference(world=self.world, as_of=as_of)

    def save(self, *documents: Mapping[str, Any]) -> None:
        """Save segments."""
        with transaction(self.workspace.database) as connection:
            for document in documents:
                apply_segment(connection, parse_segment(dict(document)))

    def publish(
        self,
        document: Mapping[str, Any],
        *,
        as_of: datetime = AS_OF,
        members: set[Any] | None = None,
        published_at: datetime | None = None,
    ) -> int:
        """Save a segment and publish a version of it, as a refresh does; `members` by default the reference's."""
        self.save(document)
        name = str(document["name"])
        wanted = self.reference(as_of).members(dict(document)) if members is None else members
        with transaction(self.workspace.database) as connection:
            row = connection.execute(sa.select(segment).where(segment.c.name == name)).one()
            version = (row.published_version or 0) + 1
            before = self.members.get((name, version - 1), set())
            pointer = self._write(connection, name, version, wanted)
            values = {
                "segment_id": row.id,
                "due_at": AS_OF + timedelta(minutes=version),
                "as_of": as_of,
                "rule_rev": row.rev,
                "rule_hash": row.rule_hash,
                "snapshot_id": self.snapshot,
                "member_count": len(wanted),
                "joined": len(wanted - before),
                "left": len(before - wanted),
            }
            counted = self.reference(as_of).nodes(dict(document))
            run_id = connection.execute(
                refresh_run.insert()
                .values(
                    **values,
                    trigger="manual",
                    state="published",
                    version=version,
                    node_counts={
                        "nodes": {pointer: len(keys) for pointer, keys in counted.items()},
                        "running": [len(r) for r in self.reference(as_of).running(dict(document))],
                    },
                )
                .returning(refresh_run.c.id)
            ).scalar_one()
            moment = {} if published_at is None else {"published_at": published_at}
            connection.execute(
                membership_version.insert().values(
                    **values, **moment, version=version, run_id=run_id, fence=run_id
                )
            )
            connection.execute(
                membership_pointer.insert().values(
                    segment_id=row.id, version=version, **pointer.model_dump()
                )
            )
            connection.execute(
                segment.update()
                .where(segment.c.id == row.id)
                .values(published_version=version, published_due_at=values["due_at"])
            )
        self.members[name, version] = set(wanted)
        return version

    def _write(
        self, connection: sa.Connection, name: str, version: int, wanted: set[Any]
    ) -> Pointer:
        head = read_head(connection).snapshot
        assert head is not None
        lake, directory = self.workspace.lake, f"runs/{name}-{version}"
        files = [
            write_words(
                lake,
                directory,
                number,
                np.array([[int(key in wanted)] for key in keys], dtype=np.uint64).reshape(-1, 1),
            )
            for number, keys in enumerate(self.keys)
        ]
        manifest = MatrixManifest(
            snapshot=head.manifest,
            snapshot_sha256=head.manifest_sha256,
            as_of=AS_OF.isoformat(),
            plan_sha256="0",
            words=1,
            segments={name: 0},
            counts={},
            files=files,
        )
        path, sha256 = write_manifest(lake, directory, manifest)
        return Pointer(manifest=path, manifest_sha256=sha256, bit=0)


def build_shop(workspace: Workspace) -> Shop:
    """Write the store of a shop into the workspace's lake and put it in use."""
    # segments and measures are the test's own
    world = replace(_shop_world(), segments={}, measures={})
    shop = Shop(workspace=workspace, world=world, personal=("email",))
    shop.prepare(PARTITIONS, generation=1)
    return shop


def _statistics(world: World, catalog: Catalog) -> Statistics:
    """Return what a preparation counts: of few values all of them, of numbers how they are spread."""
    tables = {
        "customers": (catalog.profile, world.rows["customers"]),
        "orders": (catalog.tables["orders"], world.rows["orders"]),
    }
    products = (catalog.tables["products"], world.rows["products"])
    return Statistics(
        tables={name: _counted(*found) for name, found in tables.items()},
        dimensions={"products": _counted(*products)},
    )


def _counted(table: Table, rows: Sequence[Mapping[str, Any]]) -> TableStatistic:
    columns = {}
    for name, kind in table.columns.items():
        values = [row[name] for row in rows if row[name] is not None]
        spread = Spread()
        listed = None
        if kind == "text" and name not in table.personal and len(set(values)) < 1_000:
            listed = dict(Counter(values))
        if kind == "integer" and values:
            spread.add(np.array(values, dtype=np.int64))
        columns[name] = ColumnStatistic(
            kind=kind,
            rows=len(rows),
            nulls=len(rows) - len(values),
            minimum=min(values) if kind == "integer" else None,
            maximum=max(values) if kind == "integer" else None,
            values=listed,
            spread=spread.result() if kind == "integer" else None,
        )
    return TableStatistic(columns=columns)


def _manifest(
    lake: Lake, folder: str, catalog: Catalog, partitions: Sequence[Any]
) -> SnapshotManifest:
    profile = [
        _file(lake, f"{folder}/profile-{n}", n, p.customers.append_column(ALIVE, pa.array(p.live)))
        for n, p in enumerate(partitions)
    ]
    orders = [
        _file(lake, f"{folder}/orders-{n}", n, part)
        for n, p in enumerate(partitions)
        for part in p.tables["orders"]
    ]
    dimensions = {}
    for name, keys in dimension_keys(catalog).items():
        table = partitions[0].dimensions[name]
        dimensions[name] = DimensionTable(
            columns=catalog.tables[name].columns,
            keys=list(keys),
            fingerprint="0",
            sources=[],
            file=_file(lake, f"{folder}/{name}", 0, table),
            rows=table.num_rows,
        )
    return SnapshotManifest(
        generation=1,
        partitions=len(partitions),
        parent=None,
        catalog=catalog,
        fingerprint="0",
        sources=[],
        keys=[
            KeyRange(partition=n, ordinals=p.size, alive=int(p.live.sum()))
            for n, p in enumerate(partitions)
        ],
        columns=catalog.profile.columns,
        profile=profile,
        tables={
            "orders": PreparedTable(
                columns=catalog.tables["orders"].columns,
                fingerprint="0",
                sources=[],
                files=orders,
                rows=sum(file.rows for file in orders),
            )
        },
        dimensions=dimensions,
    )


def _file(lake: Lake, name: str, partition: int, table: pa.Table) -> StoreFile:
    path = f"{name}.parquet"
    with lake.open_output(path) as output:
        pq.write_table(table, pa.PythonFile(output, mode="w"))
    return StoreFile(
        path=path, partition=partition, rows=table.num_rows, size=output.size, sha256=output.sha256
    )


def country(value: str) -> dict[str, Any]:
    """Return a condition on the country."""
    return {"kind": "attribute", "column": "country", "compare": "eq", "value": value}


def ordered(least: int, last: str = "100 days") -> dict[str, Any]:
    """Return a condition on the number of orders."""
    return {
        "kind": "rows",
        "table": "orders",
        "window": {"last": last},
        "aggregate": {"function": "count"},
        "compare": "gte",
        "value": least,
    }


def document(name: str, *rules: Any, **fields: Any) -> dict[str, Any]:
    """Return a segment whose first rule is the first condition; the others are (combine, condition)."""
    first, *others = rules
    return {
        "name": name,
        "rules": [{"where": first}, *({"combine": c, "where": w} for c, w in others)],
        **fields,
    }
