"""A small published world, written through the lake's own code: no engine is needed to export."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pydantic import SecretStr
from tests.integration.exporter.related import orders_table

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.exports.document import ExportDocument, parse_export
from muster_core.lake.location import Lake
from muster_core.lake.manifest import (
    ALIVE,
    KeyRange,
    MatrixManifest,
    Pointer,
    PreparedTable,
    SnapshotManifest,
    StoreFile,
)
from muster_core.lake.matrix import write_manifest, write_words
from muster_core.lake.store import write_snapshot
from muster_core.runs.input import Inputs
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment, segment_revision
from muster_core.storage.delivery_event import create_delivery
from muster_core.storage.export import apply_export, get_export
from muster_core.storage.run_table import membership_pointer, membership_version, refresh_run
from muster_core.storage.store_table import snapshot

AS_OF = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOSTILE = ['=1+2";=1+2', "@SUM(1)", "+1-555", "-5", "\t=1", "a,b;c", 'say "x"', "two\r\nlines", ""]

COLUMNS = {
    "id": "text",
    "email": "text",
    "note": "text",
    "age": "integer",
    "spent": "decimal(12,2)",
    "rate": "decimal(20,10)",
    "score": "float",
    "vip": "boolean",
    "born": "date",
    "seen": "timestamp",
    "tags": "array<text>",
}


def partition_table(number: int, rows: int) -> pa.Table:
    """Return one partition's profile: every type, missing values, hostile text."""
    chance = random.Random(number)
    ids = [f"C{number}-{i:06d}" for i in range(rows)]

    def some(value: Callable[[int], Any]) -> list[Any]:
        return [None if chance.random() < 0.1 else value(i) for i in range(rows)]

    return pa.table(
        {
            ALIVE: pa.array([chance.random() > 0.05 for _ in range(rows)], pa.bool_()),
            "id": pa.array(ids, pa.string()),
            "email": pa.array(some(lambda i: f"u{i}@example.org"), pa.string()),
            "note": pa.array(some(lambda i: HOSTILE[i % len(HOSTILE)]), pa.string()),
            "age": pa.array(some(lambda i: i % 90 - 5), pa.int64()),
            "spent": pa.array(some(lambda i: Decimal(i) / 100), pa.decimal128(12, 2)),
            "rate": pa.array(some(lambda i: Decimal(i % 7).scaleb(-10)), pa.decimal128(20, 10)),
            "score": pa.array(some(lambda i: i / 7), pa.float64()),
            "vip": pa.array(some(lambda i: i % 3 == 0), pa.bool_()),
            "born": pa.array(some(lambda i: date(1990, 1, 1) + timedelta(days=i)), pa.date32()),
            "seen": pa.array(
                some(lambda i: AS_OF - timedelta(seconds=i, microseconds=i % 2)),
                pa.timestamp("us", "UTC"),
            ),
            "tags": pa.array(some(lambda i: ["a", 'b"', None][: i % 4]), pa.list_(pa.string())),
        }
    )


@dataclass(kw_only=True)
class World:
    """A store with one snapshot, and segments published over it."""

    database: sa.Engine
    lake: Lake
    target: Path
    settings: Settings
    profiles: list[pa.Table]
    snapshot_id: int
    snapshot: tuple[str, str]
    pointers: dict[tuple[str, int], Pointer] = field(default_factory=dict)
    masks: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)
    #: The document that the latest version was evaluated by.
    definition: dict[str, object] = field(default_factory=dict)
    #: What the latest version was computed from.
    inputs: dict[str, Any] | None = None

    def publish(
        self,
        name: str,
        share: float = 0.5,
        *,
        project: Sequence[object] = (),
        inputs: Inputs | None = None,
        keys: Collection[str] | None = None,
    ) -> int:
        """Publish one more version of the segment `name`, with about `share` of all customers, or with `keys`."""
        self.inputs = None if inputs is None else inputs.to_json()
        self.definition = {"name": name, "project": list(project)}
        with transaction(self.database) as connection:
            segment_id, version = self._next_version(connection, name)
            chance = np.random.default_rng(segment_id * 1000 + version)
            masks = [chance.random(p.num_rows) < share for p in self.profiles]
            if keys is not None:
                listed = [p.column("id").to_pylist() for p in self.profiles]
                masks = [np.array([key in keys for key in ids], dtype=np.bool_) for ids in listed]
            pointer = self._write_matrix(name, version, masks)
            alive = [
                p.column(ALIVE).to_numpy() & m for p, m in zip(self.profiles, masks, strict=True)
            ]
            count = int(sum(m.sum() for m in alive))
            self._insert_version(connection, segment_id, version, pointer, count)
        self.pointers[name, version] = pointer
        self.masks[name, version] = alive
        return version

    def members(self, name: str, version: int, columns: list[str]) -> pa.Table:
        """Return the members as they must be delivered, straight from what was written."""
        parts = [
            p.filter(pa.array(m, pa.bool_()))
            for p, m in zip(self.profiles, self.masks[name, version], strict=True)
        ]
        return pa.concat_tables(parts).select(columns).combine_chunks()

    def document(self, **changes: object) -> ExportDocument:
        """Return an export document for this world's target."""
        return parse_export(
            {
                "name": "crm",
                "connection": {"kind": "folder", "path": str(self.target)},
                "segments": ["vip"],
                "columns": [c for c in COLUMNS if c != "id"],
                **changes,
            }
        )

    def export(self, **changes: object) -> ExportDocument:
        """Apply an export and return its document."""
        document = self.document(**changes)
        with transaction(self.database) as connection:
            apply_export(connection, document)
        return document

    def queue(self, export: str, segment_name: str, version: int) -> int:
        """Queue one delivery, as publishing does."""
        with transaction(self.database) as connection:
            stored = get_export(connection, export)
            segment_id = connection.execute(
                sa.select(segment.c.id).where(segment.c.name == segment_name)
            ).scalar_one()
            created = create_delivery(
                connection,
                export_id=stored.id,
                segment_id=segment_id,
                version=version,
                document=stored.document.to_json(),
                actor="test",
            )
        assert created is not None
        return created

    def folder(self, export: str, segment_name: str, version: int) -> Path:
        """Return where a version is delivered."""
        return self.target / export / segment_name / f"version={version}"

    def _next_version(self, connection: sa.Connection, name: str) -> tuple[int, int]:
        row = connection.execute(
            sa.select(segment.c.id, segment.c.published_version).where(segment.c.name == name)
        ).one_or_none()
        if row is not None:
            return row.id, (row.published_version or 0) + 1
        created = connection.execute(
            segment.insert()
            .values(
                name=name,
                type="dynamic",
                state="active",
                document=self.definition,
                rule_hash="0",
                schedule={"kind": "off"},
            )
            .returning(segment.c.id)
        ).scalar_one()
        return created, 1

    def _write_matrix(self, name: str, version: int, masks: list[np.ndarray]) -> Pointer:
        directory = f"runs/{name}-{version}"
        bit = 67
        files = []
        for number, mask in enumerate(masks):
            words = np.zeros((len(mask), 2), dtype=np.uint64)
            words[:, 0] = np.uint64(2**63 + 12345)
            words[:, 1] = mask.astype(np.uint64) << np.uint64(bit - 64)
            files.append(write_words(self.lake, directory, number, words))
        manifest = MatrixManifest(
            snapshot=self.snapshot[0],
            snapshot_sha256=self.snapshot[1],
            as_of=AS_OF.isoformat(),
            plan_sha256="0",
            words=2,
            segments={name: bit},
            counts={},
            files=files,
        )
        path, sha256 = write_manifest(self.lake, directory, manifest)
        return Pointer(manifest=path, manifest_sha256=sha256, bit=bit)

    def _insert_version(
        self,
        connection: sa.Connection,
        segment_id: int,
        version: int,
        pointer: Pointer,
        count: int,
    ) -> None:
        due = AS_OF + timedelta(minutes=version)
        run_id = connection.execute(
            refresh_run.insert()
            .values(
                segment_id=segment_id,
                due_at=due,
                trigger="manual",
                state="published",
                inputs=self.inputs,
            )
            .returning(refresh_run.c.id)
        ).scalar_one()
        connection.execute(
            segment_revision.insert().values(
                segment_id=segment_id, rev=version, rule_hash="0", document=self.definition
            )
        )
        connection.execute(
            membership_version.insert().values(
                segment_id=segment_id,
                version=version,
                run_id=run_id,
                fence=run_id,
                due_at=due,
                as_of=AS_OF,
                rule_rev=version,
                rule_hash="0",
                snapshot_id=self.snapshot_id,
                member_count=count,
                joined=0,
                left=0,
            )
        )
        connection.execute(
            membership_pointer.insert().values(
                segment_id=segment_id,
                version=version,
                manifest=pointer.manifest,
                manifest_sha256=pointer.manifest_sha256,
                bit=pointer.bit,
            )
        )
        connection.execute(
            segment.update()
            .where(segment.c.id == segment_id)
            .values(published_version=version, published_due_at=due, document=self.definition)
        )


CATALOG = Catalog(
    profile=Table(name="customers", source=Source(parquet="/nowhere"), columns=COLUMNS),
    key="id",
    tables={
        "orders": Table(
            name="orders",
            source=Source(parquet="/nowhere"),
            columns={"customer": "text", "no": "integer", "at": "timestamp", "note": "text"},
            time="at",
            row_key=["no"],
        )
    },
    relationships=[
        Relationship.model_validate(
            {"name": "buyer", "from": "orders.customer", "to": "customers.id"}
        )
    ],
)


def _write_file(lake: Lake, path: str, number: int, table: pa.Table) -> StoreFile:
    with lake.open_output(path) as output:
        pq.write_table(table, pa.PythonFile(output, mode="w"), row_group_size=50_000)
    return StoreFile(
        path=path, partition=number, rows=table.num_rows, size=output.size, sha256=output.sha256
    )


def write_store(
    lake: Lake, profiles: list[pa.Table], columns: dict[str, str], folder: str = "store"
) -> tuple[str, str]:
    """Write a snapshot of these partitions and return its manifest's path and SHA-256."""
    files = [
        _write_file(lake, f"{folder}/profile-{number}.parquet", number, table)
        for number, table in enumerate(profiles)
    ]
    orders = [
        _write_file(
            lake, f"{folder}/orders-{number}.parquet", number, orders_table(table.num_rows, AS_OF)
        )
        for number, table in enumerate(profiles)
    ]
    profile = CATALOG.profile.model_copy(update={"columns": columns})
    manifest = SnapshotManifest(
        generation=1,
        partitions=len(profiles),
        parent=None,
        catalog=CATALOG.model_copy(update={"profile": profile}),
        fingerprint="0",
        sources=[],
        keys=[
            KeyRange(partition=n, ordinals=t.num_rows, alive=int(t.column(ALIVE).to_numpy().sum()))
            for n, t in enumerate(profiles)
        ],
        columns=columns,
        profile=files,
        tables={
            "orders": PreparedTable(
                columns=CATALOG.tables["orders"].columns,
                fingerprint="0",
                sources=[],
                files=orders,
                rows=sum(file.rows for file in orders),
            )
        },
    )
    return write_snapshot(lake, folder, manifest)


def build_world(
    database: sa.Engine,
    database_url: str,
    folder: Path,
    profiles: list[pa.Table],
    columns: dict[str, str],
) -> World:
    """Write a store and note it in the database."""
    lake = Lake(str(folder / "lake"))
    target = folder / "target"
    target.mkdir()
    written = write_store(lake, profiles, columns)
    profile = CATALOG.profile.model_copy(update={"columns": columns})
    with transaction(database) as connection:
        catalog_id, _ = apply_catalog(connection, CATALOG.model_copy(update={"profile": profile}))
        snapshot_id = connection.execute(
            snapshot.insert()
            .values(
                generation=1,
                manifest=written[0],
                manifest_sha256=written[1],
                catalog_id=catalog_id,
                customers=1,
                report={},
            )
            .returning(snapshot.c.id)
        ).scalar_one()
    settings = Settings(
        home=folder / "home",
        database_url=SecretStr(database_url),
        lake_url=lake.url,
        lease_seconds=30,  # nobody here waits for its end; a short one ends while a machine is busy
        heartbeat_seconds=0.5,
        trust_margin_seconds=1,
        sweep_seconds=0.2,
        backoff_seconds=0.1,
    )
    return World(
        database=database,
        lake=lake,
        target=target,
        settings=settings,
        profiles=profiles,
        snapshot_id=snapshot_id,
        snapshot=written,
    )
