"""How many members a definition would have, before it is saved: exactly, or estimated from a part of the customers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection

from muster_console.operation.count import outline
from muster_console.operation.definition import (
    Definitions,
    catalog_for,
    known_definitions,
    known_with,
    measure_problems,
    read_definitions_text,
    refuse,
)
from muster_console.operation.evaluation import Ground, Used, not_prepared, open_ground
from muster_console.operation.hidden import uncovered
from muster_console.operation.remote import over
from muster_console.operation.warning import rule_warnings
from muster_console.operation.workspace import Workspace
from muster_core.errors import Conflict, InvalidInput, NotFound, Problem
from muster_core.kernel.estimate import Estimate, estimate
from muster_core.kernel.evaluate import PartitionResult
from muster_core.kernel.plan import Plan
from muster_core.kernel.tally import Tally, tallies_of
from muster_core.rules.check import check_folder
from muster_core.rules.document import SegmentDocument
from muster_core.storage.database import transaction
from muster_core.storage.membership import Membership, published_membership

#: Of so many partitions at most one is looked at where an estimate was asked for.
_SHARE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePreview:
    """One rule or condition; `depth` is 0 for a rule and grows by one with every step inwards."""

    #: Where it stands in the document: a JSON pointer.
    pointer: str
    depth: int
    #: How a rule meets the result before it; None for the first rule and for conditions.
    combine: str | None
    #: `all`, `any` or `not` for a condition made of others, else the condition as an expression.
    condition: str
    #: Customers it names on its own.
    members: Estimate
    #: Customers in the result after a rule; None for conditions.
    running: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a definition would give; every figure holds the true one with 95 % where it is not exact."""

    segment: str
    as_of: datetime
    #: The snapshot of the data that was looked at.
    snapshot: int
    #: Whether everybody was looked at.
    exact: bool
    #: Customers in all, and how many of them were looked at, in how many of the store's partitions.
    customers: int
    sampled: int
    partitions: int
    partitions_read: int
    seconds: float
    members: Estimate
    #: Members in percent of all customers.
    percent: float
    #: The published version these would follow, and who would join and leave; None where there is none.
    version: int | None
    joined: Estimate | None
    left: Estimate | None
    nodes: list[NodePreview]
    #: The segments referred to.
    used: list[Used]
    warnings: list[Problem]

    def to_json(self) -> dict[str, Any]:
        """Return the preview as programs read it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One definition without problems, what it is evaluated on, and its published version, if it has one."""

    document: SegmentDocument
    #: The same as it was written: what is hidden from whoever asks is so in it.
    written: SegmentDocument
    ground: Ground
    published: Membership | None
    warnings: list[Problem]


@over("POST", "/segments/preview", text="document")
def preview(
    workspace: Workspace,
    document: Mapping[str, Any] | str,
    *,
    exact: bool | None = None,
    as_of: datetime | None = None,
) -> Preview:
    """Return what a definition would give on the data as it is prepared; nothing is saved.

    Args:
        workspace: where.
        document: one segment as JSON or as the text of a file, which may hold measures of its own.
        exact: look at everybody; False: at a part; None: at everybody where there are few enough rows.
        as_of: when; by default now.

    Raises:
        InvalidInput: with every problem of the definition.
        Conflict: there is no catalog, or nothing has been prepared.
    """
    began = time.monotonic()
    checked = read_definition(workspace, document, as_of=as_of)
    plan = plan_of(checked)
    numbers = chosen_partitions(workspace, checked.ground, plan, exact=exact)
    results = checked.ground.evaluate(plan, numbers)
    return _preview(checked, results, time.monotonic() - began)


def read_definition(
    workspace: Workspace, document: Mapping[str, Any] | str, *, as_of: datetime | None = None
) -> Checked:
    """Read one definition that need not be saved, and check it as saving does.

    Raises:
        InvalidInput: with every problem.
        Conflict: there is no catalog, or nothing has been prepared.
    """
    text = document if isinstance(document, str) else json.dumps(document)
    limits = workspace.settings.limits
    found = read_definitions_text(text, limits)
    if not found.problems and len(found.segments) != 1:
        message = f"one segment is looked at, not {len(found.segments)}"
        raise InvalidInput([Problem(message=message)], message)
    written = found.documents
    with transaction(workspace.database) as connection:
        found = uncovered(workspace, connection, found)
        catalog = catalog_for(connection, found)
        known = known_with(known_definitions(connection), found)
        problems = found.problems + measure_problems(connection, found, catalog, known, limits)
        wrong = check_folder(found.documents, catalog, limits=limits, known=known)
        for segment, own in zip(found.segments, wrong, strict=True):
            problems += [segment.written.place(problem) for problem in own]
        refuse(problems)
        warned = rule_warnings(workspace, connection, found, catalog, known)
        lists = (*warned.measures.values(), *warned.segments.values())
        warnings = [warning for warnings in lists for warning in warnings]
        return _checked(workspace, connection, found, written[0], warnings, as_of)


def _checked(
    workspace: Workspace,
    connection: Connection,
    found: Definitions,
    written: SegmentDocument,
    warnings: list[Problem],
    as_of: datetime | None,
) -> Checked:
    (document,) = found.documents
    ground = open_ground(
        workspace, connection, document, measures=found.named_measures, as_of=as_of
    )
    try:
        published = published_membership(connection, document.name)
    except (NotFound, Conflict):
        published = None
    return Checked(
        document=document,
        written=written,
        ground=ground,
        published=published,
        warnings=warnings,
    )


def plan_of(checked: Checked) -> Plan:
    """Compile a definition, counted against its published version.

    Raises:
        Conflict: the data has not been prepared by the catalog in use yet.
    """
    previous = None if checked.published is None else checked.published.pointer
    try:
        return checked.ground.plan([checked.document], previous=previous)
    except InvalidInput as exc:
        raise not_prepared(exc) from exc


def chosen_partitions(
    workspace: Workspace, ground: Ground, plan: Plan, *, exact: bool | None
) -> list[int]:
    """Return the partitions to look at, spread over all of them: any of them is a random sample."""
    every = ground.store.manifest.partitions
    wanted = every
    if not exact:
        rows = max(1, ground.rows(plan))
        wanted = min(every, every * workspace.settings.preview_rows // rows)
    if exact is False:
        wanted = min(wanted, every // _SHARE)
    wanted = max(1, wanted)
    return [place * every // wanted for place in range(wanted)]


def _preview(checked: Checked, results: Sequence[PartitionResult], seconds: float) -> Preview:
    ground = checked.ground
    manifest = ground.store.manifest
    plan = results[0].plan
    tally = tallies_of(plan, np.sum([result.counts for result in results], axis=0))[0]
    sampled = sum(result.customers for result in results)
    total = manifest.customers

    def among(hits: int) -> Estimate:
        return estimate(hits, sampled, total)

    # of the version before, customers count who are gone since
    places = sum(len(result.words) for result in results)
    given_out = sum(known.ordinals for known in manifest.keys)
    members = among(tally.count)
    published = checked.published
    return Preview(
        segment=checked.document.name,
        as_of=ground.as_of,
        snapshot=ground.snapshot,
        exact=sampled == total,
        customers=total,
        sampled=sampled,
        partitions=manifest.partitions,
        partitions_read=len(results),
        seconds=round(seconds, 3),
        members=members,
        percent=round(100 * members.count / total, 2) if total else 0.0,
        version=published.version if published else None,
        joined=among(tally.joined) if published else None,
        left=estimate(tally.left, places, given_out) if published else None,
        nodes=_nodes(checked.written, tally, among),
        used=list(ground.used),
        warnings=checked.warnings,
    )


def _nodes(document: SegmentDocument, tally: Tally, among: Any) -> list[NodePreview]:
    return [
        NodePreview(
            pointer=node.pointer,
            depth=node.depth,
            combine=node.combine,
            condition=node.condition,
            members=among(tally.nodes[node.pointer]),
            running=None if node.rule is None else among(tally.running[node.rule]),
        )
        for node in outline(document)
    ]
