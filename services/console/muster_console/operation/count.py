"""How many customers every rule and every condition of a segment names, as its latest version was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from muster_console.operation.hidden import covered, veil_of
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.rules.condition import All, Any_, Condition, Not
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.expression.render import render_expression
from muster_core.storage.database import transaction
from muster_core.storage.membership import published_membership
from muster_core.storage.run import get_run


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCount:
    """One rule or condition; `depth` is 0 for a rule and grows by one with every step inwards."""

    #: Where it stands in the document: a JSON pointer.
    pointer: str
    depth: int
    #: How a rule meets the result before it; None for the first rule and for conditions.
    combine: str | None
    #: `all`, `any` or `not` for a condition made of others, else the condition as an expression.
    condition: str
    #: Customers it names on its own.
    members: int | None
    #: Customers in the result after a rule; None for conditions.
    running: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCounts:
    """The counts of one version; the rules are those it was evaluated by, whatever they are now."""

    segment: str
    version: int
    run_id: int
    as_of: datetime
    counted_at: datetime
    members: int
    joined: int
    left: int
    nodes: list[NodeCount]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as programs read them."""
        return asdict(self)


@over("GET", "/segments/{name}/counts")
def count_nodes(workspace: Workspace, name: str) -> SegmentCounts:
    """Return the counts the latest version was published with.

    Raises:
        NotFound: there is no such segment.
        Conflict: it has never been published.
    """
    with transaction(workspace.database) as connection:
        version = published_membership(connection, name)
        counts = get_run(connection, version.run_id).node_counts or {}
        definition = covered(veil_of(workspace, connection), version.definition, 0)
    return SegmentCounts(
        segment=name,
        version=version.version,
        run_id=version.run_id,
        as_of=version.as_of,
        counted_at=version.published_at,
        members=version.member_count,
        joined=version.joined,
        left=version.left,
        nodes=list(_nodes(definition, counts)),
    )


def _nodes(definition: Mapping[str, Any], counts: Mapping[str, Any]) -> Iterator[NodeCount]:
    own: Mapping[str, int] = counts.get("nodes", {})
    running = dict(enumerate(counts.get("running", [])))
    for node in outline(parse_segment(definition)):
        yield NodeCount(
            pointer=node.pointer,
            depth=node.depth,
            combine=node.combine,
            condition=node.condition,
            members=own.get(node.pointer),
            running=None if node.rule is None else running.get(node.rule),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlined:
    """One rule or condition of a document; `depth` is 0 for a rule and grows by one with every step inwards."""

    #: Where it stands in the document: a JSON pointer.
    pointer: str
    depth: int
    #: The place of a rule; None for conditions.
    rule: int | None
    #: How a rule meets the result before it.
    combine: str | None
    #: `all`, `any` or `not` for a condition made of others, else the condition as an expression.
    condition: str
    node: Condition


def outline(document: SegmentDocument) -> Iterator[Outlined]:
    """Yield every rule with the conditions below it, in the order of the document."""
    for number, rule in enumerate(document.rules):
        pointer = f"/rules/{number}"
        yield Outlined(
            pointer=pointer,
            depth=0,
            rule=number,
            combine=rule.combine,
            condition=_text(rule.where),
            node=rule.where,
        )
        yield from _parts(rule.where, f"{pointer}/where", 1)


def _parts(condition: Condition, pointer: str, depth: int) -> Iterator[Outlined]:
    """Yield the conditions below one; a rule's own condition is the rule."""
    for place, part in _below(condition):
        at = f"{pointer}/of{place}"
        yield Outlined(
            pointer=at, depth=depth, rule=None, combine=None, condition=_text(part), node=part
        )
        yield from _parts(part, at, depth + 1)


def _below(condition: Condition) -> list[tuple[str, Condition]]:
    if isinstance(condition, Not):
        return [("", condition.of)]
    if isinstance(condition, All | Any_):
        return [(f"/{place}", part) for place, part in enumerate(condition.of)]
    return []


def _text(condition: Condition) -> str:
    return condition.kind if _below(condition) else render_expression(condition)
