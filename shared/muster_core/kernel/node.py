"""The nodes of a plan: row predicates, aggregates, conditions and segments, each named by its index."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster_core.lake.manifest import Pointer
from muster_core.rules.predicate import Node, Predicate
from muster_core.rules.resolve import Function


class RowTest(Node):
    """A predicate on one column of a row."""

    node: Literal["test"] = "test"
    column: str
    kind: str
    predicate: Predicate


class GroupNode(Node):
    """Other nodes of the same list, by index, joined; no operands of ``and`` and ``or`` match nothing."""

    node: Literal["and", "or", "not"]
    of: tuple[int, ...]


RowNode = Annotated[RowTest | GroupNode, Field(discriminator="node")]


class Fold(Node):
    """One aggregate over the rows of a table that pass row node `where` inside the time bounds.

    Bounds are in the terms of the time column (days or microseconds), both included.
    """

    where: int | None
    low: int | None
    high: int | None
    function: Function
    column: str | None
    kind: str | None


class TablePlan(Node):
    """Everything one pass over a prepared table computes."""

    time: str | None
    time_kind: str | None
    rows: tuple[RowNode, ...]
    folds: tuple[Fold, ...]


class EveryoneNode(Node):
    """Every alive customer."""

    node: Literal["everyone"] = "everyone"


class AttributeNode(Node):
    """A predicate on a profile column."""

    node: Literal["attribute"] = "attribute"
    column: str
    kind: str
    predicate: Predicate


class RowsNode(Node):
    """A predicate on the result of a fold."""

    node: Literal["rows"] = "rows"
    table: str
    fold: int
    predicate: Predicate


class KeysNode(Node):
    """Customers named by key, as canonical texts."""

    node: Literal["keys"] = "keys"
    keys: tuple[str, ...]


ConditionNode = Annotated[
    EveryoneNode | AttributeNode | RowsNode | KeysNode | GroupNode, Field(discriminator="node")
]


class RulePlan(Node):
    """One rule: how it meets the result before it, and its condition."""

    combine: Literal["union", "intersect", "except"] | None
    condition: int


class SegmentPlan(Node):
    """One segment: bit `bit` of the words."""

    segment_id: int
    bit: int
    rules: tuple[RulePlan, ...]
    add: int | None
    remove: int | None
    #: JSON pointer into the document -> condition.
    nodes: dict[str, int]
    previous: Pointer | None
