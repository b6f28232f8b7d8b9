"""What saving a definition and refreshing it would do: who joins, who leaves, and what exports would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Connection

from muster_console.operation.erasure import erased_customers
from muster_console.operation.evaluation import Ground, not_prepared
from muster_console.operation.preview import Checked, read_definition
from muster_console.operation.remote import over
from muster_console.operation.segment import show_segment
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, NotAllowedToSee, Problem
from muster_core.exports.capability import CAPABILITIES
from muster_core.exports.document import ExportDocument, Mode
from muster_core.kernel.evaluate import PartitionResult
from muster_core.kernel.source import Bits
from muster_core.lake.exclusion import Erased
from muster_core.lake.key import key_text
from muster_core.lake.manifest import Pointer
from muster_core.lake.matrix import bits_of
from muster_core.lake.store import StorePartition
from muster_core.rules.document import Rule, SegmentDocument
from muster_core.rules.expression.render import render_expression
from muster_core.storage import audit
from muster_core.storage.connection import get_connection
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment
from muster_core.storage.export import StoredExport, list_exports
from muster_core.storage.export_table import export_basis
from muster_core.storage.trend import VersionRecord, list_versions

#: Beside a rule's own conditions a plan needs no more than this many.
_MORE_CONDITIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRule:
    """One rule: whom it names, and how many of those who would join and leave it names."""

    pointer: str
    name: str | None
    combine: str | None
    condition: str
    members: int
    running: int
    joining: int
    leaving: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDelivery:
    """What an export would send of the new members, its own filters left aside."""

    export: str
    target: str
    active: bool
    schedule: str
    mode: str
    #: The version the destination acknowledged last; None: nothing yet.
    acknowledged: int | None
    #: Rows of a delivery that tells all members; None where changes are told.
    rows: int | None
    add: int | None
    #: At most so many: those who stay, of whom only changed rows are sent.
    update_at_most: int | None
    remove: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipPlan:
    """A definition against the published version, exactly, on the data as it is prepared."""

    segment: str
    as_of: datetime
    snapshot: int
    #: The published version; None: there is none, and everybody joins.
    version: int | None
    before: int
    after: int
    joined: int
    left: int
    #: Of those who leave, how many no longer exist.
    gone: int
    rules: list[PlannedRule]
    deliveries: list[PlannedDelivery]
    #: The first keys of each, where they were asked for.
    joined_keys: list[str] | None
    left_keys: list[str] | None
    warnings: list[Problem]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as programs read it."""
        return asdict(self)


@over("POST", "/segments/plan", text="document")
def _plan_numbers(
    workspace: Workspace, document: Mapping[str, Any] | str, *, as_of: datetime | None
) -> MembershipPlan:
    return _plan(workspace, document, keys=None, as_of=as_of)


@over("POST", "/segments/plan/members", text="document", names={"keys": "limit"})
def _plan_members(
    workspace: Workspace, document: Mapping[str, Any] | str, *, keys: int, as_of: datetime | None
) -> MembershipPlan:
    return _plan(workspace, document, keys=keys, as_of=as_of)


def plan_segment(
    workspace: Workspace,
    document: Mapping[str, Any] | str,
    *,
    keys: int | None = None,
    as_of: datetime | None = None,
) -> MembershipPlan:
    """Return who would join and leave; nothing is saved.

    Args:
        workspace: where.
        document: one segment as JSON or as the text of a file.
        keys: tell so many keys of each; the look is recorded.
        as_of: when; by default now.

    Raises:
        InvalidInput: with every problem of the definition.
        Conflict: there is no catalog, or nothing has been prepared.
        NotAllowedToSee: keys are asked for by somebody who may not see member data.
    """
    if keys is None:
        return _plan_numbers(workspace, document, as_of=as_of)
    return _plan_members(workspace, document, keys=keys, as_of=as_of)


def _plan(
    workspace: Workspace,
    document: Mapping[str, Any] | str,
    *,
    keys: int | None,
    as_of: datetime | None,
) -> MembershipPlan:
    if keys is not None and not workspace.sees_members:
        raise NotAllowedToSee("The keys of who joins and leaves are member data.")
    checked = read_definition(workspace, document, as_of=as_of)
    name = checked.document.name
    with transaction(workspace.database) as connection:
        exports = [e for e in list_exports(connection) if name in e.document.segments]
        bases = _bases(connection, checked, exports)
        modes = {e.id: _mode(connection, e.document) for e in exports}
    erased = Erased(() if keys is None else erased_customers(workspace))
    found = _Evaluated(checked, {b.version: b.pointer for b in bases.values()}, keys or 0, erased)
    if keys is not None:
        detail = {"rows": len(found.joined_keys) + len(found.left_keys)}
        with transaction(workspace.database) as connection:
            audit.record(connection, workspace.actor, "members.planned", name, detail)
    published = checked.published
    return MembershipPlan(
        segment=name,
        as_of=checked.ground.as_of,
        snapshot=checked.ground.snapshot,
        version=None if published is None else published.version,
        before=found.before,
        after=found.after,
        joined=found.joined,
        left=found.left,
        gone=found.gone,
        rules=found.rules(),
        deliveries=[_delivery(e, modes[e.id], bases.get(e.id), found) for e in exports],
        joined_keys=found.joined_keys if keys is not None else None,
        left_keys=found.left_keys if keys is not None else None,
        warnings=checked.warnings,
    )


def plan_saved(
    workspace: Workspace, name: str, *, keys: int | None = None, as_of: datetime | None = None
) -> MembershipPlan:
    """Return what refreshing a segment as it is saved would do.

    Raises:
        NotFound: there is no such segment.
        InvalidInput, Conflict, NotAllowedToSee: as for `plan_segment`.
    """
    stored = show_segment(workspace, name).document
    return plan_segment(workspace, stored, keys=keys, as_of=as_of)


def _bases(
    connection: Connection, checked: Checked, exports: Sequence[StoredExport]
) -> dict[int, VersionRecord]:
    """Return, by export, the version its destination acknowledged last, as far as it can be compared."""
    if checked.published is None or not exports:
        return {}
    name, generation = checked.document.name, checked.ground.store.manifest.generation
    versions = {v.version: v for v in list_versions(connection, name)}
    rows = connection.execute(
        sa.select(export_basis.c.export_id, export_basis.c.version)
        .join(segment, segment.c.id == export_basis.c.segment_id)
        .where(segment.c.name == name)
    )
    return {
        row.export_id: known
        for row in rows
        if (known := versions.get(row.version)) is not None
        and known.pointer is not None
        and known.generation == generation
    }


def _mode(connection: Connection, document: ExportDocument) -> Mode:
    """Return what a delivery tells: as the export says, else what is usual for its kind of destination."""
    if document.mode is not None:
        return document.mode
    named = isinstance(document.connection, str)
    kind = get_connection(connection, document.target).target.kind if named else "folder"
    return CAPABILITIES[kind].modes[0]


def _delivery(
    export: StoredExport, mode: Mode, basis: VersionRecord | None, found: _Evaluated
) -> PlannedDelivery:
    document = export.document
    tells = mode.tells_changes
    staying, leaving = (0, 0) if basis is None else found.against[basis.version]
    schedule = document.schedule if isinstance(document.schedule, str) else document.schedule.cron
    return PlannedDelivery(
        export=export.name,
        target=document.target,
        active=export.active,
        schedule=schedule,
        mode=str(mode),
        acknowledged=None if basis is None else basis.version,
        rows=None if tells else found.after,
        add=found.after - staying if tells else None,
        update_at_most=staying if tells else None,
        remove=leaving if mode is Mode.CHANGES else None,
    )


class _Evaluated:
    """The figures of a plan, added up over all partitions."""

    def __init__(
        self,
        checked: Checked,
        bases: Mapping[int, Pointer | None],
        most_keys: int,
        erased: Erased,
    ) -> None:
        self._checked = checked
        self._erased = erased
        self._most = most_keys
        self._bases = {v: pointer for v, pointer in bases.items() if pointer is not None}
        self.before = self.after = self.joined = self.left = self.gone = 0
        self.joined_keys: list[str] = []
        self.left_keys: list[str] = []
        #: By version: members who stay, and who leave, against it.
        self.against = dict.fromkeys(self._bases, (0, 0))
        rules = len(checked.document.rules)
        self._counts = np.zeros((rules, 4), dtype=np.int64)
        ground = checked.ground
        numbers = list(range(ground.store.manifest.partitions))
        results = ground.evaluate(self._plan(ground), numbers)
        for number, result in zip(numbers, results, strict=True):
            partition = ground.store.partition(number)
            if partition.size:
                self._add(partition, result)

    def _plan(self, ground: Ground) -> Any:
        """Compile the definition, and each of its rules as a segment of its own."""
        document = self._checked.document
        taken = {document.name, *ground.stored, *(d.name for d in ground.support)}
        names = (name for n in range(2**31) if (name := f"rule_{n}") not in taken)
        alone = [
            SegmentDocument(
                name=next(names), timezone=document.timezone, rules=(Rule(where=rule.where),)
            )
            for rule in document.rules
        ]
        limits = replace(ground.limits, conditions=ground.limits.conditions + _MORE_CONDITIONS)
        try:
            return replace(ground, limits=limits).plan([document, *alone])
        except InvalidInput as exc:
            raise not_prepared(exc) from exc

    def _add(self, partition: StorePartition, result: PartitionResult) -> None:
        members = _bits(result, 0)
        published = self._checked.published
        earlier = members & False
        if published is not None:
            earlier = _members(partition, published.pointer)
        joined, left = members & ~earlier, earlier & ~members
        self.before += int(earlier.sum())
        self.after += int(members.sum())
        self.joined += int(joined.sum())
        self.left += int(left.sum())
        self.gone += int((left & ~partition.alive()).sum())
        running = result.tallies[0].running
        for place in range(len(self._counts)):
            named = _bits(result, place + 1)
            counts = (named.sum(), running[place], (named & joined).sum(), (named & left).sum())
            self._counts[place] += np.array(counts, dtype=np.int64)
        for version, pointer in self._bases.items():
            acknowledged = _members(partition, pointer)
            staying, leaving = self.against[version]
            self.against[version] = (
                staying + int((acknowledged & members).sum()),
                leaving + int((acknowledged & ~members).sum()),
            )
        if self._most:
            self.joined_keys += self._keys(partition, joined, self._most - len(self.joined_keys))
            self.left_keys += self._keys(partition, left, self._most - len(self.left_keys))

    def _keys(self, partition: StorePartition, chosen: Bits, most: int) -> list[str]:
        store = self._checked.ground.store
        places = np.flatnonzero(chosen)
        places = places[~np.isin(places, self._erased.ordinals(store, partition.number))][:most]
        if not len(places):
            return []
        name = store.manifest.catalog.key
        keys = partition.profile([name])[name].combine_chunks().take(pa.array(places))
        found: list[str] = key_text(keys).to_pylist()
        return found

    def rules(self) -> list[PlannedRule]:
        """Return the figures by rule."""
        counted = self._counts.tolist()
        return [
            PlannedRule(
                pointer=f"/rules/{place}",
                name=rule.name,
                combine=rule.combine,
                condition=render_expression(rule.where),
                members=members,
                running=running,
                joining=joining,
                leaving=leaving,
            )
            for place, (rule, (members, running, joining, leaving)) in enumerate(
                zip(self._checked.written.rules, counted, strict=True)
            )
        ]


def _bits(result: PartitionResult, place: int) -> Bits:
    """Return the members of the plan's segment at `place`."""
    return bits_of(result.words[:, place // 64], place % 64)


def _members(partition: StorePartition, pointer: Pointer) -> Bits:
    return partition.members(pointer.manifest, pointer.manifest_sha256, pointer.bit)
