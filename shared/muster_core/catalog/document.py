"""The catalog document people write in YAML, and the resolved form stored and used everywhere.

`CatalogDocument` is what is written; checking it against the data (`muster_core.lake.inspect`) fills in
column types and yields a `Catalog`, which is JSON in the control database and in every snapshot's manifest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from muster_core.catalog.freshness import Freshness
from muster_core.extract.document import PostgresSource

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


class Frozen(BaseModel):
    """A document node: unknown fields refused, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Frozen):
    """Where a table's rows come from: Parquet files, or a table or query of a PostgreSQL database.

    `parquet` is a file, a folder of them, or a partitioned folder; a relative path is taken from the catalog
    file's folder and stored absolute.
    """

    parquet: str | None = None
    postgres: PostgresSource | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.parquet is None) == (self.postgres is None):
            raise ValueError("name either parquet or postgres")
        return self

    @model_serializer(mode="wrap")
    def _named_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # a kind of source that is added later must not change the digests of catalogs that do not use it
        return {name: value for name, value in handler(self).items() if value is not None}

    def __str__(self) -> str:
        if self.postgres is None:
            return str(self.parquet)
        return f"{self.postgres.table or 'a query'} of {self.postgres.connection}"


class History(Frozen):
    """Where past values of a profile column are: rows of `table` whose `column` names it, with its `value`.

    The table needs a time column and a way to the profile.
    """

    table: str
    column: str
    value: str


class ColumnNote(Frozen):
    """What a person says of a column beyond what its file says."""

    personal: bool = False
    description: str = ""
    #: For profile columns only: the table that keeps the values it had.
    history: History | None = None


class TableDocument(Frozen):
    """One table as written. `row_key`, `time` and `timezone` matter for related tables only."""

    source: Source
    #: The columns that tell rows of equal time apart, in order.
    row_key: list[str] = []
    #: The column that says when a row happened; rows without it are never visible.
    time: str | None = None
    #: The zone in which timestamps without an offset are read.
    timezone: str = "UTC"
    #: Columns to take; empty means all.
    only: list[str] = []
    columns: dict[str, ColumnNote] = {}
    #: How old it may be and how many rows it has at least; else what reads it is not refreshed.
    freshness: Freshness | None = None


class ProfileDocument(TableDocument):
    """The table with one row per customer."""

    table: str = Field(pattern=NAME_PATTERN)
    key: str


class Relationship(Frozen):
    """A reference from a column of one table to the key of another, many-to-one or one-to-one."""

    name: str = Field(pattern=NAME_PATTERN)
    from_: str = Field(alias="from", description="table.column that refers")
    to: str = Field(description="table.column that is referred to")
    kind: Literal["many_to_one", "one_to_one"] = "many_to_one"
    #: The least share of referring rows (0 to 1) that must find their target; below it the check warns.
    coverage: float = Field(default=0.0, ge=0.0, le=1.0)

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def child(self) -> tuple[str, str]:
        """Return (table, column) of the referring side."""
        table, _, column = self.from_.partition(".")
        return table, column

    @property
    def parent(self) -> tuple[str, str]:
        """Return (table, column) of the side that is referred to."""
        table, _, column = self.to.partition(".")
        return table, column


class CatalogDocument(Frozen):
    """A whole catalog as written in YAML."""

    version: Literal[1] = 1
    #: IANA zone of calendar windows and dates for segments that name none.
    timezone: str = "UTC"
    profile: ProfileDocument
    tables: dict[str, TableDocument] = {}
    relationships: list[Relationship] = []


class Table(Frozen):
    """A resolved table: every column with its type (text form, see `catalog.type`)."""

    name: str
    source: Source
    columns: dict[str, str]
    row_key: list[str] = []
    time: str | None = None
    timezone: str = "UTC"
    personal: list[str] = []
    #: Only the columns that were named belong to it: one that is added to its source stays out.
    closed: bool = False

    @model_serializer(mode="wrap")
    def _without_open(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # the digests of tables that are not closed stay as they were
        return {n: value for n, value in handler(self).items() if n != "closed" or value}


class Catalog(Frozen):
    """A checked catalog: what rules are validated against and preparations are made from."""

    version: Literal[1] = 1
    timezone: str = "UTC"
    profile: Table
    key: str
    tables: dict[str, Table] = {}
    relationships: list[Relationship] = []
    #: Profile column -> where its past values are.
    histories: dict[str, History] = {}
    #: Table -> what it promises.
    contracts: dict[str, Freshness] = {}

    @model_serializer(mode="wrap")
    def _without_empty_contracts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # the digests of catalogs without contracts stay as they were
        return {
            name: value for name, value in handler(self).items() if name != "contracts" or value
        }

    def table(self, name: str) -> Table | None:
        """Return the profile or related table called `name`, or None."""
        return self.profile if name == self.profile.name else self.tables.get(name)

    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON: equal catalogs, equal digest."""
        text = json.dumps(self.model_dump(by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
