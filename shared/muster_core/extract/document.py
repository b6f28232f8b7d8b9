"""The part of a catalog that names a PostgreSQL table or query, as people write it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from muster_core.rules.duration import parse_duration

#: What of a source decides how it is read, and not which rows it has.
TUNING = frozenset(
    {
        "watermark",
        "overlap",
        "reconcile",
        "every",
        "parallel",
        "statement_timeout",
        "lock_timeout",
    }
)

#: ``NAME`` (read from ``MUSTER_SOURCE_<NAME>_URL``) or ``${VARIABLE}``.
_CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}|\$\{[A-Za-z_][A-Za-z0-9_]{0,126}\}")

DAY = 86_400


def _is_connection(text: str) -> str:
    if not _CONNECTION.fullmatch(text):
        # never quoted: people paste addresses with passwords here
        raise ValueError(
            "a connection is a name such as SHOP, whose address stands in the environment variable "
            "MUSTER_SOURCE_SHOP_URL, or a variable such as ${SHOP_URL}; never an address itself"
        )
    return text


def _is_duration(text: str) -> str:
    if parse_duration(text).months:
        raise ValueError("a duration here has a fixed length: seconds, minutes, hours, days, weeks")
    return text


Length = Annotated[str, AfterValidator(_is_duration)]


def length(text: str) -> timedelta:
    """Return a checked `Length` as a `timedelta`."""
    return timedelta(seconds=parse_duration(text).seconds)


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExtractColumn(_Node):
    """What a person says about a column PostgreSQL does not say enough about."""

    #: For values inside a ``json`` or ``jsonb`` column: ``column.step.step``, or a list of the steps.
    json_: str | list[str] | None = Field(default=None, alias="json")
    #: The type of JSON values (text where it is left out) and of ``numeric`` without precision.
    type: str | None = None
    #: What becomes of infinite times and NaN or infinite numerics, which the store cannot hold.
    not_finite: str = Field(default="refuse", pattern="^(refuse|missing)$")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def steps(self) -> list[str]:
        """Return the column and the steps below it; empty for an ordinary column."""
        if self.json_ is None:
            return []
        return self.json_.split(".") if isinstance(self.json_, str) else list(self.json_)


class PostgresSource(_Node):
    """A table, view or query of a PostgreSQL database, and how it is kept up to date."""

    connection: Annotated[str, AfterValidator(_is_connection)]
    #: ``table`` or ``schema.table``, as PostgreSQL spells it; quoted names are written without quotes.
    table: str | None = None
    query: str | None = None
    #: The columns that tell rows apart; a table's primary key where it is left out.
    key: list[str] = []
    #: A column that grows with every change of a row; without it the whole source is compared each time.
    watermark: str | None = None
    #: How far behind the watermark late rows may appear: a duration, or a number for whole-number columns.
    overlap: Length | Annotated[int, Field(ge=0)] | None = None
    #: The longest time between two comparisons of the whole source, which alone find deleted rows.
    reconcile: Length = "7 days"
    #: The least time between two looks at the source; None: at every refresh.
    every: Length | None = None
    columns: dict[str, ExtractColumn] = {}
    #: Connections that read at the same time.
    parallel: int = Field(default=2, ge=1, le=64)
    statement_timeout: Length = "30 minutes"
    lock_timeout: Length = "10 seconds"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("name either a table or a query")
        if self.query is not None and not self.statement:
            raise ValueError("the query is empty")
        if self.query is not None and self.watermark and not self.key:
            raise ValueError(
                "a query with a watermark needs a key: the columns that tell rows apart"
            )
        if self.watermark is None and self.overlap is not None:
            raise ValueError("overlap means nothing without a watermark")
        return self

    @property
    def relation(self) -> tuple[str | None, str]:
        """Return schema (None: found by the search path) and name of the table."""
        schema, dot, name = (self.table or "").rpartition(".")
        return (schema if dot else None), name

    @property
    def statement(self) -> str:
        """Return the query without blanks and semicolon at its end."""
        return (self.query or "").strip().rstrip("; \t\r\n")

    def definition(self, columns: Mapping[str, str]) -> str:
        """Return 16 digits that stay while the rows extracted before can be built upon."""
        content = {
            "source": self.model_dump(mode="json", by_alias=True, exclude=set(TUNING)),
            "columns": dict(columns),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
