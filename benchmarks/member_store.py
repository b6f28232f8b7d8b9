"""A store with published versions, written straight through the lake's own code: exports need no engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.lake.location import Lake
from muster_core.lake.manifest import (
    ALIVE,
    KeyRange,
    MatrixManifest,
    SnapshotManifest,
    StoreFile,
)
from muster_core.lake.matrix import write_manifest, write_words
from muster_core.lake.store import write_snapshot
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.definition_table import segment, segment_revision
from muster_core.storage.run_table import membership_pointer, membership_version, refresh_run
from muster_core.storage.store_table import snapshot

AS_OF = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
COLUMNS = {"id": "text", "email": "text", "age": "integer", "seen": "timestamp"}
#: Customers of one partition, as large as a store's partitions become.
PARTITION = 200_000
_CATALOG = Catalog(
    profile=Table(name="customers", source=Source(parquet="/nowhere"), columns=COLUMNS), key="id"
)


def partition_rows(number: int, rows: int) -> pa.Table:
    """Return the profile of one partition."""
    ids = np.arange(rows)
    return pa.table(
        {
            ALIVE: np.ones(rows, dtype=np.bool_),
            "id": pa.array([f"C{number:04d}-{i:06d}" for i in ids], pa.string()),
            "email": pa.array([f"customer{number}.{i}@example.org" for i in ids], pa.string()),
            "age": pa.array(ids % 90, pa.int64()),
            "seen": pa.array(ids * 1_000_003 + number, pa.timestamp("us", "UTC")),
        }
    )


def build(connection: Connection, lake: Lake, customers: int, segments: list[str]) -> list[str]:
    """Write customers of whom everybody is a member of every segment; return the profile files' paths."""
    sizes = [min(PARTITION, customers - at) for at in range(0, customers, PARTITION)]
    files, matrices = [], []
    for number, size in enumerate(sizes):
        table = partition_rows(number, size)
        path = f"store/profile-{number:04d}.parquet"
        with lake.open_output(path) as output:
            pq.write_table(table, pa.PythonFile(output, mode="w"), row_group_size=50_000)
        files.append(
            StoreFile(
                path=path, partition=number, rows=size, size=output.size, sha256=output.sha256
            )
        )
        # every bit is set: whichever segment it stands for has everybody
        words = np.full((size, 1), np.iinfo(np.uint64).max, dtype=np.uint64)
        matrices.append(write_words(lake, "matrix", number, words))
    manifest = SnapshotManifest(
        generation=1,
        partitions=len(sizes),
        parent=None,
        catalog=_CATALOG,
        fingerprint="0",
        sources=[],
        keys=[KeyRange(partition=n, ordinals=s, alive=s) for n, s in enumerate(sizes)],
        columns=COLUMNS,
        profile=files,
        tables={},
    )
    written = write_snapshot(lake, "store", manifest)
    matrix = MatrixManifest(
        snapshot=written[0],
        snapshot_sha256=written[1],
        as_of=AS_OF.isoformat(),
        plan_sha256="0",
        words=1,
        segments={name: n for n, name in enumerate(segments)},
        counts={},
        files=matrices,
    )
    _publish(connection, written, write_manifest(lake, "matrix", matrix), segments, customers)
    return [file.path for file in files]


def _publish(
    connection: Connection,
    store: tuple[str, str],
    matrix: tuple[str, str],
    segments: list[str],
    customers: int,
) -> None:
    """Note the snapshot, and one published version of every segment."""
    catalog_id, _ = apply_catalog(connection, _CATALOG)
    snapshot_id = connection.execute(
        snapshot.insert()
        .values(
            generation=1,
            manifest=store[0],
            manifest_sha256=store[1],
            catalog_id=catalog_id,
            customers=customers,
            report={},
        )
        .returning(snapshot.c.id)
    ).scalar_one()
    for bit, name in enumerate(segments):
        _publish_one(connection, name, bit, snapshot_id, matrix, customers)


def _publish_one(
    connection: Connection,
    name: str,
    bit: int,
    snapshot_id: int,
    matrix: tuple[str, str],
    customers: int,
) -> None:
    due = AS_OF + timedelta(minutes=1)
    document = {"name": name, "project": []}
    same = {"rule_hash": "0", "document": document}
    segment_id = connection.execute(
        segment.insert()
        .values(name=name, type="dynamic", state="active", schedule={"kind": "off"}, **same)
        .returning(segment.c.id)
    ).scalar_one()
    run_id = connection.execute(
        refresh_run.insert()
        .values(segment_id=segment_id, due_at=due, trigger="manual", state="published")
        .returning(refresh_run.c.id)
    ).scalar_one()
    connection.execute(segment_revision.insert().values(segment_id=segment_id, rev=1, **same))
    connection.execute(
        membership_version.insert().values(
            segment_id=segment_id,
            version=1,
            run_id=run_id,
            fence=run_id,
            due_at=due,
            as_of=AS_OF,
            rule_rev=1,
            rule_hash="0",
            snapshot_id=snapshot_id,
            member_count=customers,
            joined=customers,
            left=0,
        )
    )
    connection.execute(
        membership_pointer.insert().values(
            segment_id=segment_id,
            version=1,
            manifest=matrix[0],
            manifest_sha256=matrix[1],
            bit=bit,
        )
    )
    connection.execute(
        sa.update(segment)
        .where(segment.c.id == segment_id)
        .values(published_version=1, published_due_at=due)
    )
