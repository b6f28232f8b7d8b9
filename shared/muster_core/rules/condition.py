"""Every kind of condition the rule language has, as pydantic models; which are evaluated is `check`'s business."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster_core.rules.value import DurationText, Literal_, Node, Value, Window

Compare = Literal[
    "eq",
    "ne",
    "in",
    "not_in",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "not_between",
    "contains",
    "not_contains",
    "starts_with",
    "not_starts_with",
    "ends_with",
    "not_ends_with",
    "matches",
    "not_matches",
    "is_set",
    "is_not_set",
    "is_true",
    "is_false",
    "contains_item",
    "not_contains_item",
    "in_window",
    "not_in_window",
    "day_of",
    "month_of",
    "year_of",
    "weekday_of",
    "anniversary_in_window",
]
Function = Literal["count", "count_distinct", "sum", "avg", "min", "max", "first", "last", "exists"]


class Aggregate(Node):
    """What is computed over a customer's matching rows."""

    function: Function
    column: str | None = None
    order_by: str | None = None


class Attribute(Node):
    """One column of the profile, or of one row inside a row condition, held against a value."""

    kind: Literal["attribute"]
    column: str
    compare: Compare
    value: Value | None = None
    ignore_case: bool = False
    via: tuple[str, ...] = ()


class RowAll(Node):
    """All of these hold on the same row."""

    kind: Literal["all"]
    of: tuple[RowCondition, ...]


class RowAny(Node):
    """At least one of these holds on the row."""

    kind: Literal["any"]
    of: tuple[RowCondition, ...]


class RowNot(Node):
    """The row does not pass this."""

    kind: Literal["not"]
    of: RowCondition


RowCondition = Annotated[RowAll | RowAny | RowNot | Attribute, Field(discriminator="kind")]


class Everyone(Node):
    """All customers."""

    kind: Literal["everyone"]


class All(Node):
    """Customers for whom all of these hold; an empty list matches nobody."""

    kind: Literal["all"]
    of: tuple[Condition, ...]


class Any_(Node):
    """Customers for whom at least one of these holds."""

    kind: Literal["any"]
    of: tuple[Condition, ...]


class Not(Node):
    """The exact complement within all customers."""

    kind: Literal["not"]
    of: Condition


class RelatedRows(Node):
    """Which rows of a related table are meant."""

    table: str
    via: tuple[str, ...] = ()
    where: RowCondition | None = None


class Measurable(RelatedRows):
    """An aggregate over related rows, as `rows`, `compare`, `top` and measures use it."""

    window: Window | None = None
    aggregate: Aggregate
    include_future: bool = False


class Rows(Measurable):
    """An aggregate over the customer's matching rows passes a comparison."""

    kind: Literal["rows"]
    compare: Compare | None = None
    value: Value | None = None


class FirstRow(RelatedRows):
    """The customer's earliest matching row of all time lies in the window."""

    kind: Literal["first_row"]
    window: Window


class LastRow(RelatedRows):
    """The latest row that passes `where` also passes `having`."""

    kind: Literal["last_row"]
    having: RowCondition


class Sequence(Node):
    """Steps that follow one another, the first inside the window, all within a duration."""

    kind: Literal["sequence"]
    table: str
    via: tuple[str, ...] = ()
    steps: Annotated[tuple[RowCondition, ...], Field(min_length=2, max_length=5)]
    within: DurationText
    window: Window


class Periods(RelatedRows):
    """In at least so many of the last equal periods the row count passes."""

    kind: Literal["periods"]
    period: DurationText
    of_last: Annotated[int, Field(ge=1, le=1000)]
    at_least: Annotated[int, Field(ge=1, le=1000)]
    compare: Compare
    value: Value


class Held(Node):
    """The current unbroken run of this value is at least, or less than, this long."""

    kind: Literal["held"]
    column: str
    value: Literal_
    compare: Literal["gte", "lt"]
    duration: DurationText
    history: str | None = None


class SegmentMember(Node):
    """Members of another segment."""

    kind: Literal["segment"]
    name: str
    policy: Literal["use_last", "skip"] = "use_last"


class MeasureValue(Node):
    """The customer's value of a defined measure passes a comparison."""

    kind: Literal["measure"]
    name: str
    compare: Compare
    value: Value | None = None


class MeasureName(Node):
    """A defined measure, by name."""

    measure: str


class CompareSides(Node):
    """Two aggregates of the same customer held against each other."""

    kind: Literal["compare"]
    left: Measurable | MeasureName
    compare: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    right: Measurable | MeasureName
    times: Literal_ = 1


class ProfileColumn(Node):
    """A column of the profile to rank by."""

    column: str
    via: tuple[str, ...] = ()


class Top(Node):
    """The first customers by rank over all that have a value."""

    kind: Literal["top"]
    by: Measurable | ProfileColumn
    limit: Annotated[int, Field(ge=1)] | None = None
    percent: Literal_ | None = None
    descending: bool = True


class Sample(Node):
    """A stable share of all customers, the same in every run."""

    kind: Literal["sample"]
    percent: Literal_
    salt: str


Condition = Annotated[
    Everyone
    | All
    | Any_
    | Not
    | Attribute
    | Rows
    | FirstRow
    | LastRow
    | Sequence
    | Periods
    | Held
    | SegmentMember
    | MeasureValue
    | CompareSides
    | Top
    | Sample,
    Field(discriminator="kind"),
]

for _model in (RowAll, RowAny, RowNot, All, Any_, Not):
    _model.model_rebuild()
