"""Why one customer is in a segment or not: every condition with its verdict, and the rows that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow.compute as pc
import xxhash
from sqlalchemy import Connection

from muster_console.operation.count import Outlined, outline
from muster_console.operation.erasure import erased_customers
from muster_console.operation.evaluation import Ground, Used, not_prepared, open_ground
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.catalog.type import parse_type
from muster_core.errors import Conflict, InvalidInput, NotFound, Problem, UnreadableSegment
from muster_core.kernel.customer import OneCustomer
from muster_core.kernel.explain import Explained, Verdict, explain, shown_rows
from muster_core.kernel.failure import only_muster_errors
from muster_core.lake.exclusion import Erased
from muster_core.lake.key import key_text
from muster_core.lake.seed import PARTITION_SEED
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.manual import manual_key
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.measure import measure_at
from muster_core.storage.membership import Membership, published_membership
from muster_core.storage.run import get_run
from muster_core.storage.segment import get_segment

#: Rows that are shown of each condition.
ROWS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a condition was decided by: a value, and the newest of the rows it was made of."""

    value: Any
    #: A table of the store; None for a column of the profile.
    table: str | None
    rows: list[dict[str, Any]]
    #: How many rows there are; only the first ones are shown.
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedNode:
    """One rule or condition; `depth` is 0 for a rule and grows by one with every step inwards."""

    pointer: str
    depth: int
    combine: str | None
    condition: str
    holds: bool
    #: Whether the customer is in the result after a rule; None for conditions.
    running: bool | None
    #: A comparison of two aggregates has two, a condition made of others none.
    reasons: list[Reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One customer against one segment."""

    segment: str
    #: The version that was explained; None: the saved rules on the data as it is prepared.
    version: int | None
    as_of: datetime
    snapshot: int
    member: bool
    #: Added or removed by hand, which comes after the rules.
    manual: str | None
    nodes: list[ExplainedNode]
    used: list[Used]

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as programs read it."""
        return asdict(self)


@over("POST", "/segments/{name}/explain")
def explain_customer(
    workspace: Workspace, name: str, key: str | int, *, version: int | None = None
) -> Explanation:
    """Return why the customer of this key is in the segment or not; the look is recorded.

    By default by the saved rules, now; with `version` as that version was evaluated.

    Raises:
        NotFound: there is no such segment, version or customer.
        Conflict: nothing has been prepared, or the data of this version is no longer kept.
        InvalidInput: no customer can have this key.
    """
    with transaction(workspace.database) as connection:
        if version is None:
            document = get_segment(connection, name).document
            if document is None:
                raise UnreadableSegment
            ground = open_ground(workspace, connection, document)
        else:
            document, ground = _past(workspace, connection, name, version)
    try:
        plan = ground.plan([document])
    except InvalidInput as exc:
        raise not_prepared(exc) from exc
    partition, ordinal, text = _find(ground.store, key, Erased(erased_customers(workspace)))
    with only_muster_errors():
        tables = ground.store.manifest.tables
        columns = {table: list(tables[table].columns) for table in plan.tables}
        customer = OneCustomer(ground.store.partition(partition), ordinal, columns)
        found = explain(ground.ranked(plan), customer)
        nodes = [_node(node, found, customer) for node in outline(document)]
    rows = sum(len(reason.rows) for node in nodes for reason in node.reasons)
    with transaction(workspace.database) as connection:
        detail = {"version": version, "rows": rows}
        audit.record(connection, workspace.actor, "member.explained", name, detail)
    return Explanation(
        segment=name,
        version=version,
        as_of=ground.as_of,
        snapshot=ground.snapshot,
        member=found.member,
        manual=_manual(document, ground.store, text),
        nodes=nodes,
        used=list(ground.used),
    )


def _find(store: Store, key: str | int, erased: Erased) -> tuple[int, int, str]:
    """Return a customer's partition, ordinal and canonical key; whoever was erased is not there."""
    manifest = store.manifest
    name = manifest.catalog.key
    try:
        text = manual_key(key, parse_type(manifest.columns[name]))
        hashed = xxhash.xxh64_intdigest(text.encode(), seed=PARTITION_SEED)
    except UnicodeEncodeError:
        raise InvalidInput([Problem(message="the key is not text in UTF-8")]) from None
    except ValueError as exc:
        raise InvalidInput([Problem(message=str(exc), pointer="/key")]) from None
    number = hashed % manifest.partitions
    partition = store.partition(number)
    ordinal = -1
    if partition.size:
        keys = partition.profile([name])[name].combine_chunks()
        ordinal = pc.index(key_text(keys), text).as_py()
    gone = ordinal < 0 or not partition.alive()[ordinal]
    if gone or ordinal in erased.ordinals(store, number):
        raise NotFound("There is no customer of this key in the prepared data.")
    return number, ordinal, text


def _manual(document: SegmentDocument, store: Store, text: str) -> str | None:
    kind = parse_type(store.manifest.columns[store.manifest.catalog.key])
    for what, ids in (("removed", document.manual.remove), ("added", document.manual.add)):
        if text in {manual_key(one, kind) for one in ids}:
            return what
    return None


def _node(node: Outlined, found: Explained, customer: OneCustomer) -> ExplainedNode:
    verdict = found.verdicts[node.pointer]
    # a rule's own condition is the rule
    grounds = found.verdicts.get(f"{node.pointer}/where", verdict)
    return ExplainedNode(
        pointer=node.pointer,
        depth=node.depth,
        combine=node.combine,
        condition=node.condition,
        holds=verdict.holds,
        running=None if node.rule is None else found.running[node.rule],
        reasons=_reasons(grounds, customer),
    )


def _reasons(verdict: Verdict, customer: OneCustomer) -> list[Reason]:
    return [
        Reason(
            value=ground.value,
            table=ground.table,
            rows=shown_rows(customer, ground, ROWS_SHOWN),
            total=len(ground.rows),
        )
        for ground in verdict.grounds
    ]


def _past(
    workspace: Workspace, connection: Connection, name: str, number: int
) -> tuple[SegmentDocument, Ground]:
    """Return what a version was evaluated by and on: its own rules, snapshot, instant, and what it used."""
    version = published_membership(connection, name, number)
    if version.expired:
        raise Conflict(
            f"The data that version {number} of the segment `{name}` was computed from is no longer kept.",
            hint="`MUSTER_SNAPSHOTS_KEPT_DAYS` says for how long it is.",
        )
    run = get_run(connection, version.run_id)
    inputs: Mapping[str, Any] = run.inputs or {}
    measures = {
        entry["measure"]: measure_at(connection, entry["measure"], entry["rev"])
        for entry in inputs.get("measures", ())
    }
    ground = Ground(
        store=Store.open(workspace.lake, version.snapshot, version.snapshot_sha256),
        snapshot=run.snapshot_id or 0,
        as_of=version.as_of,
        limits=workspace.settings.limits,
        memory=workspace.settings.task_bytes,
        measures=measures,
    )
    used = [_used(connection, entry, number) for entry in inputs.get("segments", ())]
    return parse_segment(version.definition), replace(
        ground,
        stored={member.segment: member.pointer for member in used},
        used=[Used(segment=m.segment, version=m.version, as_of=m.as_of) for m in used],
    )


def _used(connection: Connection, entry: Mapping[str, Any], number: int) -> Membership:
    """Return the members of another segment that a version used."""
    if entry["version"] is None:
        raise Conflict(
            f"Version {number} used members of the segment `{entry['segment']}` that were never published."
        )
    return published_membership(connection, entry["segment"], entry["version"])
