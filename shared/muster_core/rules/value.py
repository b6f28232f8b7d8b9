"""Literals and values of comparisons, as documents spell them.

Numbers stay exactly what was written: whole numbers are `int`, all others `Decimal`, never a float.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from muster_core.documents.number import MAX_DIGITS, shorten
from muster_core.rules.duration import parse_duration

Scalar = str | bool | int | Decimal


class Node(BaseModel):
    """A node of a rule document: unknown fields refused, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _read_scalar(raw: Any) -> Scalar:
    if isinstance(raw, str):
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise ValueError("the text is not valid Unicode") from None
        return raw
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        if abs(raw) >= 10**MAX_DIGITS:
            raise ValueError(f"a number has at most {MAX_DIGITS} digits")
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise ValueError("not a finite number")
        return shorten(Decimal(repr(raw)))
    if isinstance(raw, Decimal):
        return shorten(raw)
    if raw is None:
        raise ValueError("a value is required; ask for missing values with is_set or is_not_set")
    raise ValueError("a value is a text, a number, true or false")


def write_scalar(value: Scalar) -> str | bool | int | float:
    """Write a decimal as a JSON number where that loses nothing, else as numeric text, which reads back."""
    if not isinstance(value, Decimal):
        return value
    near = float(value)
    return near if Decimal(repr(near)) == value else format(value, "f")


def _read_duration(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("a duration is a text such as 30 days")  # noqa: TRY004 - for pydantic
    parse_duration(raw)
    return raw


Literal_ = Annotated[
    Scalar,
    PlainValidator(_read_scalar),
    PlainSerializer(write_scalar, when_used="json"),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
DurationText = Annotated[
    str, PlainValidator(_read_duration), WithJsonSchema({"type": "string", "pattern": "^[0-9]+ "})
]


class ColumnValue(Node):
    """Another column of the same row or profile."""

    column: str


class Ago(Node):
    """The instant this long before `as_of`."""

    ago: DurationText


class Ahead(Node):
    """The instant this long after `as_of`."""

    ahead: DurationText


_PERIODS = ("week", "month", "quarter", "year")
CALENDAR = (
    "today",
    "yesterday",
    "tomorrow",
    *(f"{which}_{period}" for period in _PERIODS for which in ("this", "last", "next")),
    "year_to_date",
)

CalendarName = Annotated[str, Field(json_schema_extra={"enum": list(CALENDAR)})]


class Window(Node):
    """A stretch of time relative to `as_of` or between two dates; exactly one form is given."""

    last: DurationText | None = None
    next: DurationText | None = None
    between_ago: tuple[DurationText, DurationText] | None = None
    before_ago: DurationText | None = None
    from_: Annotated[str, Field(strict=True)] | None = Field(default=None, alias="from")
    to: Annotated[str, Field(strict=True)] | None = None
    calendar: CalendarName | None = None
    day_offset: Annotated[int, Field(strict=True, ge=-36_600, le=36_600)] | None = None
    #: The row's column whose time is held against the window instead of the table's own.
    on: str | None = None

    @property
    def form(self) -> str:
        """Return the name of the form given; ``from/to`` counts as one."""
        return _forms(self)[0]

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if len(_forms(self)) != 1:
            raise ValueError(
                "a window has exactly one of last, next, between_ago, before_ago, from/to, "
                "calendar, day_offset"
            )
        if self.calendar is not None and self.calendar not in CALENDAR:
            raise ValueError(f"calendar is one of {', '.join(CALENDAR)}")
        return self


def _forms(window: Window) -> list[str]:
    names = ("last", "next", "between_ago", "before_ago", "calendar", "day_offset")
    given = [name for name in names if getattr(window, name) is not None]
    if window.from_ is not None or window.to is not None:
        given.append("from/to")
    return given


def _shape(raw: Any) -> str:
    if isinstance(raw, dict):
        return next((f"<{k}>" for k in ("column", "ago", "ahead") if k in raw), "<window>")
    if isinstance(raw, list | tuple):
        return "<list>"
    if isinstance(raw, Node):
        return f"<{type(raw).__name__.removesuffix('Value').lower()}>"
    return "<literal>"


#: What stands on the right of a comparison.
Value = Annotated[
    Annotated[Literal_, Tag("<literal>")]
    | Annotated[tuple[Literal_, ...], Tag("<list>")]
    | Annotated[ColumnValue, Tag("<column>")]
    | Annotated[Ago, Tag("<ago>")]
    | Annotated[Ahead, Tag("<ahead>")]
    | Annotated[Window, Tag("<window>")],
    Discriminator(_shape),
]
