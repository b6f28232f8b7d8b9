"""What a campaign is held against at its end, beyond `tests.chaos.invariants`: instants, repeats, the sink."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.exports.naming import CHUNK_PATTERN, LATEST_NAME, MANIFEST_NAME
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.lake.location import Lake
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument
from muster_core.rules.reference import references_of

Row = Mapping[str, Any]


def _rows(connection: Connection, statement: str, **given: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(sa.text(statement), given).mappings()]


def every_instant_has_its_run(
    connection: Connection, due: Sequence[tuple[int, datetime]]
) -> Iterator[str]:
    """I4: each instant that is known to have become due has exactly one run."""
    present = {
        (row["segment_id"], row["due_at"])
        for row in _rows(connection, "SELECT segment_id, due_at FROM refresh_run")
    }
    for segment_id, instant in due:
        if (segment_id, instant) not in present:
            yield f"I4: segment {segment_id} has no run due at {instant}"
    for row in _rows(
        connection, "SELECT id, next_due_at FROM segment WHERE next_due_at < clock_timestamp()"
    ):
        yield f"I4: segment {row['id']} is due since {row['next_due_at']} and was not planned"


def versions_can_be_repeated(
    connection: Connection, lake: Lake, chance: random.Random, *, sample: int = 12
) -> Iterator[str]:
    """I7: evaluated again from its rules, snapshot and instant, a version has the same members."""
    versions = _rows(
        connection,
        """SELECT v.segment_id, v.version, v.as_of, d.document, p.manifest, p.manifest_sha256, p.bit,
                  s.manifest AS store, s.manifest_sha256 AS store_sha256
             FROM membership_version v
             JOIN membership_pointer p USING (segment_id, version)
             JOIN segment_revision d ON d.segment_id = v.segment_id AND d.rev = v.rule_rev
             JOIN snapshot s ON s.id = v.snapshot_id ORDER BY v.segment_id, v.version""",
    )
    plain = [
        v for v in versions if not references_of(SegmentDocument.model_validate(v["document"]))
    ]
    for version in chance.sample(plain, min(sample, len(plain))):
        document = SegmentDocument.model_validate(version["document"])
        store = Store.open(lake, version["store"], version["store_sha256"])
        segment = PlannedSegment(segment_id=1, document=document, previous=None)
        plan = compile_plan([segment], store.manifest.catalog, version["as_of"])
        matrix = Matrix.open(lake, version["manifest"], version["manifest_sha256"])
        for number in range(store.manifest.partitions):
            again = evaluate(plan, store.partition(number)).words[:, 0] & np.uint64(1)
            if not np.array_equal(again.astype(bool), matrix.bits(version["bit"], number)):
                yield (
                    f"I7: segment {version['segment_id']} version {version['version']} has other"
                    f" members in partition {number} than its rules give"
                )
                break


def deliveries_are_whole(connection: Connection, sink: Path) -> Iterator[str]:
    """I8: what was delivered stands at the sink with the bytes that were acknowledged, once."""
    delivered = _rows(
        connection,
        """SELECT d.id, d.location, d.rows, v.member_count, v.version,
                  (SELECT count(*) FROM delivery_event e
                    WHERE e.delivery_id = d.id AND e.to_state = 'delivered') AS times,
                  (SELECT jsonb_agg(jsonb_build_array(c.name, c.sha256) ORDER BY c.number)
                     FROM delivery_chunk c WHERE c.delivery_id = d.id) AS chunks
             FROM delivery d JOIN membership_version v USING (segment_id, version)
            WHERE d.state = 'delivered'""",
    )
    for row in delivered:
        name, folder = f"I8: delivery {row['id']}", Path(row["location"])
        if row["times"] != 1:
            yield f"{name} was acknowledged {row['times']} times"
        if row["rows"] != row["member_count"]:
            yield f"{name} sent {row['rows']} of {row['member_count']} members"
        if not (folder / MANIFEST_NAME).exists():
            yield f"{name} left no manifest"
            continue
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
        listed = [[file["name"], file["sha256"]] for file in manifest["files"]]
        if listed != (row["chunks"] or []):
            yield f"{name}: its manifest lists other files than were acknowledged"
        for chunk, sha256 in listed:
            found = folder / chunk
            if not found.exists() or hashlib.sha256(found.read_bytes()).hexdigest() != sha256:
                yield f"{name}: {chunk} does not hold what was acknowledged"


def only_published_is_at_the_sink(connection: Connection, sink: Path) -> Iterator[str]:
    """I10: every file under a final name belongs to a published version, and is whole where it is listed."""
    published = {
        (row["name"], row["version"])
        for row in _rows(
            connection,
            "SELECT s.name, v.version FROM membership_version v JOIN segment s ON s.id = v.segment_id",
        )
    }
    for folder in sink.glob("*/*/version=*"):
        files = [f.name for f in folder.iterdir() if CHUNK_PATTERN.fullmatch(f.name)]
        version = int(folder.name.partition("=")[2])
        if files and (folder.parent.name, version) not in published:
            yield f"I10: {folder.parent.name} version {version} was delivered and never published"


class Latest:
    """I9 and I10 while everything runs: the pointer never goes back, and names a whole manifest."""

    def __init__(self, sink: Path) -> None:
        self._sink = sink
        self._known: dict[str, int] = {}
        self.violations: list[str] = []
        self.looks = 0

    def look(self) -> None:
        """Look at every pointer once."""
        self.looks += 1
        for pointer in self._sink.glob(f"*/*/{LATEST_NAME}"):
            latest = json.loads(pointer.read_bytes())
            segment, version = pointer.parent.name, latest["segment_version"]
            if version < self._known.get(segment, 0):
                before = self._known[segment]
                self.violations.append(f"I9: latest of {segment} went from {before} to {version}")
            self._known[segment] = version
            manifest = pointer.parent / latest["manifest"]
            if not manifest.exists():
                self.violations.append(
                    f"I10: latest of {segment} names a manifest that is not there"
                )
            elif hashlib.sha256(manifest.read_bytes()).hexdigest() != latest["manifest_sha256"]:
                self.violations.append(f"I10: latest of {segment} names another manifest")
