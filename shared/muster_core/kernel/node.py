"""The nodes of a plan: row predicates, aggregates, conditions and segments, each named by its index."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster_core.lake.manifest import Pointer
from muster_core.rules.condition import Function
from muster_core.rules.predicate import Node, Predicate


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


class Lookup(Node):
    """One step into a dimension: to its row whose `key` is the value of `column`.

    `column`, of type `kind`, is one of the row's or profile's own, or of the dimension stepped into before.
    """

    column: str
    kind: str
    table: str
    key: str


class Gathered(Node):
    """A column found outside the rows by lookups; without any, a profile column of the row's customer.

    A reference that finds nothing makes the value missing. The first lookup's column is one of the row's,
    or, from `start` "profile" (as always on the profile), one of the profile's.
    """

    lookups: tuple[Lookup, ...]
    start: Literal["row", "profile"] = "row"
    column: str
    kind: str


class Fold(Node):
    """One aggregate over the rows of a table that pass row node `where` inside the time bounds.

    Bounds are in the terms of the time column (days or microseconds), both included. ``first`` and ``last``
    go by `order_by`, rows without it left out, else by the table's total order.
    """

    fold: Literal["aggregate"] = "aggregate"
    where: int | None
    low: int | None
    high: int | None
    function: Function
    column: str | None
    kind: str | None
    order_by: str | None = None
    order_kind: str | None = None


class LastRowFold(Node):
    """Whether the latest row that passes `where` also passes `having`; a value for those it is true of."""

    fold: Literal["last_row"] = "last_row"
    where: int | None
    high: int | None
    having: int


class SequenceFold(Node):
    """Whether rows pass `steps` one strictly after the other, the first inside the bounds `low` and `high`.

    The last lies at most `seconds` or `months` after the first, stepped on the calendar of `zone`; no row
    later than `visible` counts. Bounds are in the terms of the time column.
    """

    fold: Literal["sequence"] = "sequence"
    steps: tuple[int | None, ...]
    low: int | None
    high: int | None
    visible: int
    seconds: int
    months: int
    zone: str


class PeriodsFold(Node):
    """Whether the row count passes `predicate` in `at_least` of the periods between neighbours of `edges`.

    Edges fall; period j holds edges[j+1] < t <= edges[j], in the terms of the time column.
    """

    fold: Literal["periods"] = "periods"
    where: int | None
    edges: tuple[int, ...]
    at_least: int
    predicate: Predicate


class HeldFold(Node):
    """Since when the value in `value` has passed `predicate`, among rows whose `field` is `name`.

    The result is the time of the earliest row of the latest unbroken stretch, for those whose latest row
    passes; no row later than `visible` counts.
    """

    fold: Literal["held"] = "held"
    field: str
    field_kind: str
    name: str
    value: str
    value_kind: str
    predicate: Predicate
    visible: int


AnyFold = Annotated[
    Fold | LastRowFold | SequenceFold | PeriodsFold | HeldFold, Field(discriminator="fold")
]


class TablePlan(Node):
    """Everything one pass over a prepared table computes.

    A column name in `gathered` is looked up; every other one is a column of the prepared rows.
    """

    time: str | None
    time_kind: str | None
    #: Columns that order rows of equal `order_by`, highest last; the source's file and row follow.
    row_key: tuple[str, ...] = ()
    gathered: dict[str, Gathered] = Field(default_factory=dict)
    rows: tuple[RowNode, ...]
    folds: tuple[AnyFold, ...]


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
    """A predicate on the result of a fold; `IsSet` for folds that only say whether."""

    node: Literal["rows"] = "rows"
    table: str
    fold: int
    predicate: Predicate


class KeysNode(Node):
    """Customers named by key, as canonical texts."""

    node: Literal["keys"] = "keys"
    keys: tuple[str, ...]


class Operand(Node):
    """The result of a fold as one side of a comparison."""

    table: str
    fold: int


class CompareNode(Node):
    """`left` stands in `relation` to `right` times ``times[0] / 10**times[1]``; without a value nobody."""

    node: Literal["compare"] = "compare"
    left: Operand
    relation: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    right: Operand
    times: tuple[int, int] = (1, 0)


class SampleNode(Node):
    """Customers whose ``splitmix64(key hash xor salt) mod 10000`` is below `below`; `salt` is its hash."""

    node: Literal["sample"] = "sample"
    salt: int
    below: int


class TopNode(Node):
    """Customers within the threshold of rank `rank` of the plan."""

    node: Literal["top"] = "top"
    rank: int


class MemberNode(Node):
    """Members of the segment at place `segment` of this plan, after its manual changes."""

    node: Literal["member"] = "member"
    segment: int


class StoredNode(Node):
    """Members of a published version."""

    node: Literal["stored"] = "stored"
    version: Pointer


ConditionNode = Annotated[
    EveryoneNode
    | AttributeNode
    | RowsNode
    | KeysNode
    | CompareNode
    | SampleNode
    | TopNode
    | MemberNode
    | StoredNode
    | GroupNode,
    Field(discriminator="node"),
]


class RankColumn(Node):
    """A profile column (or a gathered one) to rank by."""

    column: str
    kind: str


class Rank(Node):
    """An order of all alive customers that have a value, ties by smaller key, and how many are taken.

    `limit`, or the share ``percent[0] / 10**percent[1]`` in percent, rounded down.
    """

    by: Operand | RankColumn
    descending: bool
    limit: int | None
    percent: tuple[int, int] | None


class Threshold(Node):
    """The last customer a rank takes: its value as three sortable words and its key; None: nobody."""

    words: tuple[int, int, int] | None
    key: str | None


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
