"""A deployment without an engine: snapshots, batches and deliveries go through the product's own code."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.collection.collect import Collection, collect
from muster_core.collection.keeping import Keeping
from muster_core.exports.document import parse_export
from muster_core.lake.bitmap import write_bitmap
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
from muster_core.lake.matrix import Matrix, write_manifest, write_words
from muster_core.lake.members import MemberList
from muster_core.lake.place import batch_folder, preparation_folder
from muster_core.lake.store import Store, verify, write_snapshot
from muster_core.rules.document import parse_segment
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.delivery import claim_delivery, finish_delivery
from muster_core.storage.export import apply_export
from muster_core.storage.run import (
    Claim,
    Outcome,
    Recovery,
    claim_batch,
    pin_snapshot,
    publish,
    reap,
    record_evaluated,
    request_refresh,
)
from muster_core.storage.segment import apply_segment
from muster_core.storage.snapshot import publish_snapshot, read_head, take_lease

LEASE = timedelta(minutes=5)
PARTITIONS = 2
#: Everything goes as soon as two collections found that nothing needs it.
AT_ONCE = Keeping(snapshots=timedelta(0), versions=2, grace=timedelta(0))

CATALOG = Catalog(
    profile=Table(name="customers", source=Source(parquet="/nowhere"), columns={"id": "text"}),
    key="id",
    tables={
        "orders": Table(
            name="orders", source=Source(parquet="/nowhere"), columns={"customer": "text"}
        )
    },
    relationships=[
        Relationship.model_validate(
            {"name": "buyer", "from": "orders.customer", "to": "customers.id"}
        )
    ],
)

Masks = list[np.ndarray]


@dataclass(kw_only=True)
class Flight:
    """A batch in the middle of its work: what it wrote, and who is a member of what by its runs."""

    claim: Claim
    snapshot_id: int
    manifest: tuple[str, str]
    files: list[str]
    masks: dict[int, Masks]


@dataclass(kw_only=True)
class World:
    database: sa.Engine
    lake: Lake
    target: Path
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    rows: int = 40
    #: Who must be a member of what, by (segment id, version), and by run while that is not published.
    members: dict[tuple[int, int], Masks] = field(default_factory=dict)
    held: dict[int, Masks] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    #: The preparation in the middle of its work: fence and files.
    preparing: tuple[int, list[str]] | None = None

    def start(self, segments: int) -> None:
        with transaction(self.database) as connection:
            apply_catalog(connection, CATALOG)
            for number in range(segments):
                apply_segment(connection, parse_segment({"name": f"s{number}"}))
            names = [f"s{number}" for number in range(0, segments, 2)]
            connection_ = {"kind": "folder", "path": str(self.target)}
            apply_export(
                connection,
                parse_export({"name": "crm", "connection": connection_, "segments": names}),
            )
        self.prepare()

    # -- snapshots

    def begin_preparation(self) -> None:
        with transaction(self.database) as connection:
            fence = take_lease(connection, owner="test", lease=LEASE)
        assert fence is not None
        folder = preparation_folder(fence)
        self.preparing = fence, [self._file(f"{folder}/part-{n}.parquet", n).path for n in (0, 1)]

    def prepare(self) -> int:
        """Publish a snapshot on top of the one in use, some of whose files it takes over."""
        if self.preparing is None:
            self.begin_preparation()
        assert self.preparing is not None
        fence, files = self.preparing
        self.preparing = None
        with transaction(self.database) as connection:
            head = read_head(connection).snapshot
        before = (
            Store.open(self.lake, head.manifest, head.manifest_sha256).manifest if head else None
        )
        self.rows += self.chance.randrange(3)
        folder = files[0].rpartition("/")[0]
        orders = [self._file(f"{folder}/orders-{n}.parquet", n) for n in range(PARTITIONS)]
        orders = [
            file.model_copy(
                update={"dead": write_bitmap(self.lake, folder, np.arange(file.rows) < n)}
            )
            for n, file in enumerate(orders)
        ]
        if before:
            orders += [f for f in before.tables["orders"].files if self.chance.random() < 0.7]
        path, sha256 = write_snapshot(
            self.lake,
            folder,
            SnapshotManifest(
                generation=1,
                partitions=PARTITIONS,
                parent=head.manifest if head else None,
                catalog=CATALOG,
                fingerprint="0",
                sources=[],
                keys=[
                    KeyRange(partition=n, ordinals=self.rows, alive=self.rows)
                    for n in range(PARTITIONS)
                ],
                columns={"id": "text"},
                profile=[self._profile(f"{folder}/profile-{n}.parquet", n) for n in (0, 1)],
                tables={
                    "orders": PreparedTable(
                        columns={"customer": "text"},
                        fingerprint="0",
                        sources=[],
                        files=orders,
                        rows=0,
                    )
                },
            ),
        )
        with transaction(self.database) as connection:
            return publish_snapshot(
                connection,
                fence=fence,
                parent_id=head.id if head else None,
                generation=1,
                manifest=path,
                manifest_sha256=sha256,
                catalog_id=1,
                customers=self.rows,
                report={},
            )

    def lose_preparation(self) -> None:
        self.preparing = None
        self.tell("UPDATE store_head SET lease_expires_at = clock_timestamp()")

    # -- batches

    def claim(self) -> Claim | None:
        with transaction(self.database) as connection:
            return claim_batch(connection, worker="worker", lease=LEASE, limit=1_000)

    def begin_batch(self, names: list[str] | None = None) -> Flight | None:
        """Ask for a refresh, claim it, write its words, and stop there."""
        with transaction(self.database) as connection:
            request_refresh(connection, names=names, actor="test")
        claim = self.claim()
        if claim is None:
            return None
        with transaction(self.database) as connection:
            head = read_head(connection).snapshot
            assert head is not None
            pinned = pin_snapshot(connection, claim, head.id)
        flight = self._write(claim, pinned, (head.manifest, head.manifest_sha256))
        self.flights.append(flight)
        return flight

    def _write(self, claim: Claim, pinned: int, snapshot: tuple[str, str]) -> Flight:
        folder = batch_folder(claim.batch_id, claim.fence)
        ordinals = Store.open(self.lake, *snapshot).manifest.keys[0].ordinals
        masks: dict[int, Masks] = {}
        words = np.zeros((PARTITIONS, ordinals, -(-len(claim.runs) // 64)), dtype=np.uint64)
        for bit, run in enumerate(claim.runs):
            share = self.chance.random()
            masks[run.run_id] = [
                np.array([self.chance.random() < share for _ in range(ordinals)])
                for _ in range(PARTITIONS)
            ]
            for n, mask in enumerate(masks[run.run_id]):
                words[n, :, bit // 64] |= mask.astype(np.uint64) << np.uint64(bit % 64)
        files = [write_words(self.lake, folder, n, words[n]) for n in range(PARTITIONS)]
        scratch = self._small(f"{folder}/plan-0.json")
        manifest = MatrixManifest(
            snapshot=snapshot[0],
            snapshot_sha256=snapshot[1],
            as_of=claim.as_of.isoformat(),
            plan_sha256="0",
            words=words.shape[2],
            segments={run.name: bit for bit, run in enumerate(claim.runs)},
            counts={},
            files=files,
        )
        path = write_manifest(self.lake, folder, manifest)
        paths = [path[0], scratch, *(file.path for file in files)]
        return Flight(claim=claim, snapshot_id=pinned, manifest=path, files=paths, masks=masks)

    def end_batch(self, flight: Flight) -> None:
        """Record and publish; the gate may hold some."""
        self.flights.remove(flight)
        outcomes = [
            Outcome(
                run_id=run.run_id,
                bit=bit,
                member_count=int(sum(mask.sum() for mask in flight.masks[run.run_id])),
                joined=0,
                left=0,
                node_counts={},
            )
            for bit, run in enumerate(flight.claim.runs)
        ]
        with transaction(self.database) as connection:
            record_evaluated(
                connection,
                flight.claim,
                snapshot_id=flight.snapshot_id,
                manifest=flight.manifest[0],
                manifest_sha256=flight.manifest[1],
                outcomes=outcomes,
                lease=LEASE,
            )
        with transaction(self.database) as connection:
            states = publish(connection, flight.claim)
        self.held |= {i: flight.masks[i] for i, state in states.items() if state == "held"}
        self.note_published(flight.masks)

    def note_published(self, masks: dict[int, Masks]) -> None:
        for segment, version, run in self.ask(
            "SELECT segment_id, version, run_id FROM membership_version WHERE run_id = ANY(:ids)",
            ids=list(masks),
        ):
            self.members[segment, version] = masks[run]

    def refresh(self, names: list[str] | None = None) -> None:
        flight = self.begin_batch(names)
        if flight is not None:
            self.end_batch(flight)

    def lose_batch(self, flight: Flight) -> None:
        self.flights.remove(flight)
        self.tell(
            "UPDATE refresh_run SET lease_expires_at = clock_timestamp(), attempt = max_attempts"
            " WHERE fence = :fence AND state IN ('running', 'evaluated')",
            fence=flight.claim.fence,
        )
        with transaction(self.database) as connection:
            reap(connection, actor="test", recovery=Recovery(at_once=8, pause=timedelta(0)))

    # -- deliveries

    def deliver(self, *, finish: bool) -> None:
        with transaction(self.database) as connection:
            claim = claim_delivery(connection, exporter="exporter", lease=LEASE)
        if claim is not None and finish:
            with transaction(self.database) as connection:
                finish_delivery(connection, claim, rows=0, size=0, location="there")

    # -- collections

    def collect(self, keeping: Keeping = AT_ONCE) -> Collection:
        found = collect(self.database, self.lake, keeping, owner="test", lease=LEASE)
        assert found is not None
        return found

    def paths(self) -> set[str]:
        return {entry.path for entry in self.lake.entries("")}

    def check_readable(self) -> None:
        """Read everything somebody may ask for, and compare it with what was written."""
        with transaction(self.database) as connection:
            head = read_head(connection).snapshot
        assert head is not None
        self._check_snapshot(head.manifest, head.manifest_sha256)
        for row in self.ask(_POINTED):
            pointer = Pointer(manifest=row[2], manifest_sha256=row[3], bit=row[4])
            matrix = Matrix.open(self.lake, pointer.manifest, pointer.manifest_sha256)
            for n, mask in enumerate(self.members[row[0], row[1]]):
                assert (matrix.bits(pointer.bit, n) == mask).all()
        for row in self.ask(_SHOWN):
            pointer = Pointer(manifest=row[2], manifest_sha256=row[3], bit=row[4])
            self._check_snapshot(row[5], row[6])
            shown = MemberList.open(self.lake, row[5], row[6], pointer)
            shown.verify()
            assert shown.count() == sum(int(m.sum()) for m in self.members[row[0], row[1]])
        for path, sha256, bit, run in self.ask(
            "SELECT manifest, manifest_sha256, bit, id FROM refresh_run WHERE state = 'held'"
        ):
            matrix = Matrix.open(self.lake, path, sha256)
            for n, mask in enumerate(self.held[run]):
                assert (matrix.bits(bit, n) == mask).all()
        for flight in self.flights:
            assert all(self.lake.exists(path) for path in flight.files)
        if self.preparing is not None:
            assert all(self.lake.exists(path) for path in self.preparing[1])

    def _check_snapshot(self, path: str, sha256: str) -> None:
        manifest = Store.open(self.lake, path, sha256).manifest
        for file in (*manifest.profile, *manifest.tables["orders"].files):
            verify(self.lake, file)
            assert file.dead is None or self.lake.exists(file.dead)

    # -- small things

    def ask(self, query: str, **given: Any) -> list[Any]:
        with transaction(self.database) as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), given)]

    def tell(self, statement: str, **given: Any) -> None:
        with transaction(self.database) as connection:
            connection.execute(sa.text(statement), given)

    def _profile(self, path: str, number: int) -> StoreFile:
        ids = [f"C{number}-{i:04}" for i in range(self.rows)]
        return self._file(path, number, {"id": ids, ALIVE: [True] * self.rows})

    def _file(self, path: str, number: int, columns: dict[str, Any] | None = None) -> StoreFile:
        table = pa.table(columns or {"x": [self.chance.random()]})
        with self.lake.open_output(path) as output:
            pq.write_table(table, pa.PythonFile(output, mode="w"))
        return StoreFile(
            path=path, partition=number, rows=table.num_rows, size=output.size, sha256=output.sha256
        )

    def _small(self, path: str) -> str:
        self.lake.write_bytes(path, b"x")
        return path


_POINTED = """
SELECT segment_id, version, manifest, manifest_sha256, bit FROM membership_pointer
"""

#: Published versions of segments that are there, and versions that are being delivered.
_SHOWN = """
SELECT p.segment_id, p.version, p.manifest, p.manifest_sha256, p.bit, n.manifest, n.manifest_sha256
  FROM (SELECT id AS segment_id, published_version AS version FROM segment
         WHERE deleted_at IS NULL AND published_version IS NOT NULL
         UNION SELECT segment_id, version FROM delivery WHERE state IN ('pending', 'running')) w
  LEFT JOIN membership_pointer p USING (segment_id, version)
  LEFT JOIN membership_version v USING (segment_id, version)
  LEFT JOIN snapshot n ON n.id = v.snapshot_id
"""
