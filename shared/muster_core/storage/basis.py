"""What a destination acknowledged last, and the rows it did not take: changes are told from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.exports.claim import Basis, ClaimedDelivery, Operation, Refused
from muster_core.exports.document import Mode
from muster_core.exports.state import DeliveryState
from muster_core.lake.manifest import Pointer
from muster_core.storage.definition_table import segment, segment_revision
from muster_core.storage.delivery_event import NOW
from muster_core.storage.delivery_record import VERSION
from muster_core.storage.destination import leads_to
from muster_core.storage.export_table import (
    delivery,
    delivery_chunk,
    delivery_refused,
    export,
    export_basis,
)
from muster_core.storage.never_sent import never_sent
from muster_core.storage.run_table import membership_pointer, membership_version, refresh_run
from muster_core.storage.store_table import snapshot

#: Every delivery with all that is known of its version; to be narrowed down to one.
VERSION_FACTS = (
    sa.select(
        delivery,
        export.c.name.label("export_name"),
        segment.c.name.label("segment_name"),
        segment_revision.c.document.label("definition"),
        membership_version.c.as_of,
        membership_version.c.published_at,
        membership_version.c.member_count,
        membership_pointer.c.manifest,
        membership_pointer.c.manifest_sha256,
        membership_pointer.c.bit,
        snapshot.c.manifest.label("snapshot_manifest"),
        snapshot.c.manifest_sha256.label("snapshot_sha256"),
        refresh_run.c.inputs,
        leads_to().label("connection_id"),
    )
    .join_from(delivery, export, delivery.c.export_id == export.c.id)
    .join(segment, delivery.c.segment_id == segment.c.id)
    .join(membership_version, VERSION)
    .join(refresh_run, refresh_run.c.id == membership_version.c.run_id)
    .join(
        segment_revision,
        sa.and_(
            segment_revision.c.segment_id == membership_version.c.segment_id,
            segment_revision.c.rev == membership_version.c.rule_rev,
        ),
    )
    .join(
        membership_pointer,
        sa.and_(
            membership_pointer.c.segment_id == delivery.c.segment_id,
            membership_pointer.c.version == delivery.c.version,
        ),
    )
    .join(snapshot, membership_version.c.snapshot_id == snapshot.c.id)
)


def pin_basis(connection: Connection, delivery_id: int) -> None:
    """Choose what a delivery of changes stands on, once: every later attempt sends the same bytes.

    Where the destination may hold a part of another version, everything is told; so it is where it is another
    place than the one that acknowledged the version before.
    """
    row = connection.execute(sa.select(delivery).where(delivery.c.id == delivery_id)).one()
    if row.basis is not None or not _tells_changes(row.document):
        return
    found = connection.execute(
        sa.select(export_basis.c.version).where(
            *_ours(export_basis, row),
            export_basis.c.version < row.version,
            # before places were kept nothing was known of them
            sa.func.coalesce(export_basis.c.destination, row.destination) == row.destination,
        )
    ).scalar_one_or_none()
    if found is not None and _has_parts_after(connection, row, found):
        found = None
    refused = () if found is None else _refused(connection, row)
    pinned = {
        "version": found,
        "refused": [[r.partition, r.ordinal, r.operation, r.reason] for r in refused],
    }
    connection.execute(delivery.update().where(delivery.c.id == delivery_id).values(basis=pinned))


def _tells_changes(document: Mapping[str, Any]) -> bool:
    """Whether a stored document is of a mode that stands on the version before; others may not be readable."""
    return document.get("mode") in [mode for mode in Mode if mode.tells_changes]


def basis_of(connection: Connection, row: Any) -> Basis | None:
    """Return what was pinned for a delivery; `row` is one of `VERSION_FACTS`."""
    if row.basis is None or row.basis["version"] is None:
        return None
    found = connection.execute(
        VERSION_FACTS.where(*_ours(delivery, row), delivery.c.version == row.basis["version"])
    ).one_or_none()
    if found is None:
        return None
    return Basis(
        version=found.version,
        document=found.document,
        definition=found.definition,
        pointer=Pointer(
            manifest=found.manifest, manifest_sha256=found.manifest_sha256, bit=found.bit
        ),
        snapshot=found.snapshot_manifest,
        snapshot_sha256=found.snapshot_sha256,
        as_of=found.as_of,
        refused=tuple(
            Refused(partition=p, ordinal=o, operation=Operation(kind), reason=why)
            for p, o, kind, why in row.basis["refused"]
        ),
        never_sent=never_sent(connection, found),
    )


def keep_refused(
    connection: Connection, claim: ClaimedDelivery, refused: Sequence[Refused]
) -> None:
    """Keep rows aside that the destination did not take, with why; they are offered with the next version."""
    if not refused:
        return
    ids = _ids(connection, claim)
    for row in refused:
        values = {"operation": row.operation, "reason": row.reason, "version": claim.version}
        statement = insert(delivery_refused).values(
            **ids, partition=row.partition, ordinal=row.ordinal, **values
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["export_id", "segment_id", "partition", "ordinal"],
                set_={**values, "attempts": delivery_refused.c.attempts + 1, "last_at": NOW},
            )
        )


def move_basis(connection: Connection, claim: ClaimedDelivery) -> None:
    """Note that the destination holds this version; rows refused before were offered with it, or are gone."""
    ids = _ids(connection, claim)
    place = connection.scalar(sa.select(delivery.c.destination).where(delivery.c.id == claim.id))
    statement = insert(export_basis).values(**ids, version=claim.version, destination=place)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["export_id", "segment_id"],
            set_={"version": claim.version, "destination": place, "acknowledged_at": NOW},
            # a place of its own holds this version, and nothing newer
            where=sa.or_(
                export_basis.c.version < claim.version,
                export_basis.c.destination.is_distinct_from(place),
            ),
        )
    )
    connection.execute(
        delivery_refused.delete().where(
            delivery_refused.c.export_id == ids["export_id"],
            delivery_refused.c.segment_id == ids["segment_id"],
            delivery_refused.c.version < claim.version,
        )
    )


def _ids(connection: Connection, claim: ClaimedDelivery) -> dict[str, int]:
    row = connection.execute(
        sa.select(delivery.c.export_id, delivery.c.segment_id).where(delivery.c.id == claim.id)
    ).one()
    return {"export_id": row.export_id, "segment_id": row.segment_id}


def _has_parts_after(connection: Connection, row: Any, version: int) -> bool:
    """Whether parts of a version behind the acknowledged one arrived, without its end."""
    return bool(
        connection.scalar(
            sa.select(
                sa.exists().where(
                    *_ours(delivery, row),
                    delivery.c.version > version,
                    delivery.c.version < row.version,
                    delivery.c.state != DeliveryState.DELIVERED,
                    delivery_chunk.c.delivery_id == delivery.c.id,
                )
            )
        )
    )


def _refused(connection: Connection, row: Any) -> tuple[Refused, ...]:
    found = connection.execute(
        sa.select(delivery_refused)
        .where(*_ours(delivery_refused, row))
        .order_by(delivery_refused.c.partition, delivery_refused.c.ordinal)
    )
    return tuple(
        Refused(
            partition=r.partition,
            ordinal=r.ordinal,
            operation=Operation(r.operation),
            reason=r.reason,
        )
        for r in found
    )


def _ours(table: sa.Table, row: Any) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.export_id == row.export_id, table.c.segment_id == row.segment_id
