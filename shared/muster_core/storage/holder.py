"""Which destinations hold a customer who is to be erased, and what is done about it: an erasure in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import Connection, text

from muster_core.errors import Conflict
from muster_core.exports.capability import CAPABILITIES
from muster_core.exports.document import parse_export
from muster_core.exports.erasure import How, changes_rows
from muster_core.exports.state import ENDED, DeliveryState, Event
from muster_core.lake.exclusion import key_texts
from muster_core.lake.location import Lake
from muster_core.lake.manifest import Pointer
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store
from muster_core.security.erasure import place_of
from muster_core.security.secret import KeyRing
from muster_core.storage.collection import require_kept
from muster_core.storage.definition_table import segment
from muster_core.storage.delivery_event import NOW, apply_event
from muster_core.storage.destination import leads_to, place_now
from muster_core.storage.erasure import NewPart, add_parts, count_refused, insert_erasure
from muster_core.storage.erasure_table import erasure_part
from muster_core.storage.export_table import connection as target
from muster_core.storage.export_table import (
    delivery,
    delivery_chunk,
    delivery_refused,
    export,
)
from muster_core.storage.run_table import membership_pointer, membership_version
from muster_core.storage.store_table import snapshot

#: A version's snapshot, its SHA-256, and its members.
_Version = tuple[str, str, Pointer]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where one customer stands in the snapshots of the store; what was looked up is kept."""

    lake: Lake
    key: str
    _places: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    _belongs: dict[tuple[str, int], bool] = field(default_factory=dict)

    def place(self, path: str, sha256: str) -> tuple[int, int] | None:
        """Return partition and ordinal in a snapshot; None where it does not know the customer.

        Raises:
            StoreDamaged: it cannot be read.
        """
        if path not in self._places:
            store = Store.open(self.lake, path, sha256)
            partition = place_of(self.key) % store.manifest.partitions
            found = pc.index(key_texts(store, partition), self.key).as_py()
            self._places[path] = None if found < 0 else (partition, int(found))
        return self._places[path]

    def belongs(self, snapshot_path: str, sha256: str, pointer: Pointer) -> bool:
        """Whether the customer is a member of a version.

        Raises:
            StoreDamaged: it cannot be read.
        """
        name = (pointer.manifest, pointer.bit)
        if name not in self._belongs:
            place = self.place(snapshot_path, sha256)
            member = False
            if place is not None:
                partition, ordinal = place
                matrix = Matrix.open(self.lake, pointer.manifest, pointer.manifest_sha256)
                bits = matrix.bits(pointer.bit, partition)
                member = ordinal < len(bits) and bool(bits[ordinal])
            self._belongs[name] = member
        return self._belongs[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A delivery that brought the customer to a destination, or may have."""

    row: Any
    #: False where the members of the version are no longer kept, so nobody knows.
    known: bool


def erase(
    connection: Connection, lake: Lake, key: str, keys: KeyRing, *, actor: str, lease: timedelta
) -> int:
    """Erase the customer with this canonical key, and return the erasure's id; safe to repeat.

    From here on nothing is delivered of them, and every destination that held them is to be told.
    Claims of deliveries wait meanwhile, so none is missed.

    Args:
        connection: inside a transaction that has written nothing yet.
        lake: where stores and matrices are.
        key: the customer's canonical key text.
        keys: what the key is sealed with.
        actor: who asked.
        lease: the longest time that an exporter goes on with a delivery that was taken from it.

    Raises:
        StoreDamaged: the lake cannot be read.
    """
    whereabouts = Whereabouts(lake, key)
    for row in _candidates(connection):
        _look(connection, whereabouts, row)  # most is read before anybody has to wait
    connection.execute(text("LOCK TABLE delivery IN EXCLUSIVE MODE"))
    erasure_id = insert_erasure(connection, key, keys, actor=actor)
    held = [
        found
        for row in _candidates(connection, erasure_id)
        if (found := _look(connection, whereabouts, row)) is not None
    ]
    parts = [
        *(part for h in held if (part := _rewrite(connection, h, lease)) is not None),
        *_removals(connection, held, erasure_id, lease),
    ]
    add_parts(connection, erasure_id, parts)
    count_refused(connection, erasure_id, _remove_refused(connection, whereabouts))
    return erasure_id


def _candidates(connection: Connection, erasure_id: int | None = None) -> list[Any]:
    """Return the deliveries that were begun before the erasure, with all that is known of their versions."""
    waits = sa.exists().where(
        erasure_part.c.delivery_id == delivery.c.id, erasure_part.c.erasure_id == erasure_id
    )
    query = (
        sa.select(
            delivery,
            export.c.name.label("export_name"),
            target.c.id.label("connection_id"),
            target.c.kind,
            segment.c.name.label("segment_name"),
        )
        .join_from(delivery, export, delivery.c.export_id == export.c.id)
        .join(segment, delivery.c.segment_id == segment.c.id)
        .outerjoin(target, target.c.id == leads_to())
        .where(delivery.c.started_at.is_not(None))
        .order_by(delivery.c.id)
    )
    if erasure_id is not None:
        query = query.where(delivery.c.erased < erasure_id, ~waits)
    return list(connection.execute(query))


def _look(connection: Connection, whereabouts: Whereabouts, row: Any) -> _Held | None:
    """Return whether a delivery brought the customer; None where it did not.

    Changes also tell of those whom the version before had.
    """
    basis = None if row.basis is None else row.basis.get("version")
    versions = [_version(connection, row.segment_id, row.version)]
    if basis is not None:
        versions.append(_version(connection, row.segment_id, basis))
    if any(version is not None and whereabouts.belongs(*version) for version in versions):
        return _Held(row=row, known=True)
    return _Held(row=row, known=False) if None in versions else None


def _version(connection: Connection, segment_id: int, number: int) -> _Version | None:
    """Return where a version's members stand; None where they are no longer kept."""
    pointer, version = membership_pointer.c, membership_version.c
    row = connection.execute(
        sa.select(
            snapshot.c.manifest.label("snapshot"),
            snapshot.c.manifest_sha256.label("sha256"),
            pointer.manifest,
            pointer.manifest_sha256,
            pointer.bit,
        )
        .join_from(
            membership_pointer,
            membership_version,
            sa.and_(pointer.segment_id == version.segment_id, pointer.version == version.version),
        )
        .join(snapshot, snapshot.c.id == version.snapshot_id)
        .where(
            pointer.segment_id == segment_id,
            pointer.version == number,
            snapshot.c.expired_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    found = Pointer(manifest=row.manifest, manifest_sha256=row.manifest_sha256, bit=row.bit)
    return row.snapshot, row.sha256, found


def _rewrite(connection: Connection, held: _Held, lease: timedelta) -> NewPart | None:
    """Let a delivery begin anew, without the customer; return what the receipt says, None where nothing is there.

    A delivery that has not arrived is only begun anew when it is its turn.
    """
    row = held.row
    if not held.known:
        return _unknown(row)
    if row.state in ENDED and _takes_files(row):
        try:
            require_kept(connection, row.segment_id, row.version)
            if row.basis is not None and row.basis.get("version") is not None:
                require_kept(connection, row.segment_id, row.basis["version"])
        except Conflict:
            return _unknown(row)
    values: dict[str, Any]
    had_parts = connection.execute(
        delivery_chunk.delete().where(delivery_chunk.c.delivery_id == row.id)
    ).rowcount
    connection.execute(
        delivery.update().where(delivery.c.id == row.id).values(edition=delivery.c.edition + 1)
    )
    wait = timedelta(0)
    if row.state == DeliveryState.RUNNING:
        # whoever holds it stops at its next heartbeat, and at the end of its lease at the latest
        wait = lease
        values = {"attempt": delivery.c.attempt - 1, "available_at": NOW + lease}
        values |= {"lease_owner": None, "lease_expires_at": None}
        apply_event(connection, row.id, Event.RELEASED, actor="erasure", values=values)
    if not _takes_files(row) or not (had_parts or row.rows is not None or wait):
        return None
    if lost := _lost(connection, row):
        return _part(row, error=lost)
    if row.state in ENDED:
        values = {"attempt": 0, "available_at": NOW, "finished_at": None}
        values |= {"error_class": None, "error": None}
        apply_event(connection, row.id, Event.REQUESTED, actor="erasure", values=values)
    return _part(row, wait=wait)


def _unknown(row: Any) -> NewPart | None:
    """Return what the receipt says of files that cannot be written again, None where there are none."""
    if not _takes_files(row) or row.location is None:
        return None
    return _part(
        row,
        error="The members of this version are no longer kept, so its files cannot be written again."
        f" Remove them by hand: {row.location}.",
    )


def _removals(
    connection: Connection, held: list[_Held], erasure_id: int, lease: timedelta
) -> list[NewPart]:
    """Return what destinations are told of that take rows, or changes: one for each export."""
    told = {
        (part.export, str(part.document.get("connection")))
        for part in connection.execute(
            sa.select(erasure_part.c.export, erasure_part.c.document).where(
                erasure_part.c.erasure_id == erasure_id, erasure_part.c.how == How.REMOVAL
            )
        )
    }
    # an export may have led elsewhere before, and what it brought there is there still
    by_place: dict[tuple[str, str, str | None], list[_Held]] = {}
    for one in held:
        row = one.row
        place = (row.export_name, str(row.document.get("connection")))
        if place in told or (_takes_files(row) and not changes_rows(row.document)):
            continue
        by_place.setdefault((*place, _lost(connection, row)), []).append(one)
    parts = []
    for (_, _, lost), found in by_place.items():
        versions: dict[str, list[int]] = {}
        for h in found:
            versions.setdefault(h.row.segment_name, []).append(h.row.version)
        newest = found[-1].row
        running = any(h.row.state == DeliveryState.RUNNING for h in found)
        parts.append(
            NewPart(
                export=newest.export_name,
                kind=newest.kind or "folder",
                how=How.REMOVAL,
                document=newest.document,
                connection_id=newest.connection_id,
                versions=versions,
                wait=lease if running else timedelta(0),
                error=lost,
            )
        )
    return parts


def _lost(connection: Connection, row: Any) -> str | None:
    """Return why the place that a delivery led to cannot be reached any more; None where it can."""
    document = parse_export(row.document)
    if row.connection_id is None and document.folder is None:
        return "The connection was taken away from the export."
    if row.destination in (None, place_now(connection, row.document)):
        return None
    where = f" Remove it there by hand: {row.location}." if row.location else ""
    return f"The connection `{document.target}` leads to another place now.{where}"


def _part(row: Any, *, wait: timedelta = timedelta(0), error: str | None = None) -> NewPart:
    return NewPart(
        export=row.export_name,
        kind=row.kind or "folder",
        how=How.REWRITE,
        document=row.document,
        connection_id=row.connection_id,
        versions={row.segment_name: [row.version]},
        delivery_id=row.id,
        wait=wait,
        error=error,
    )


def _takes_files(row: Any) -> bool:
    return CAPABILITIES[row.kind or "folder"].files


def _remove_refused(connection: Connection, whereabouts: Whereabouts) -> int:
    """Remove rows of the customer that were refused and kept aside; return how many."""
    rows = connection.execute(
        sa.select(delivery_refused, snapshot.c.manifest, snapshot.c.manifest_sha256)
        .join(
            membership_version,
            sa.and_(
                membership_version.c.segment_id == delivery_refused.c.segment_id,
                membership_version.c.version == delivery_refused.c.version,
            ),
        )
        .join(snapshot, snapshot.c.id == membership_version.c.snapshot_id)
    ).all()
    same = ("export_id", "segment_id", "partition", "ordinal")
    ours = [
        row
        for row in rows
        if whereabouts.place(row.manifest, row.manifest_sha256) == (row.partition, row.ordinal)
    ]
    for row in ours:
        connection.execute(
            delivery_refused.delete().where(
                *(delivery_refused.c[name] == row._mapping[name] for name in same)
            )
        )
    return len(ours)
