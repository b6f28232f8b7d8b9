"""What the columns of a snapshot hold: counts, ranges and, where there are few, all distinct values.

Numbers and times are in the column's own terms, as in `muster_core.rules.predicate`: integers as they are,
decimals scaled to whole numbers, dates as days and timestamps as microseconds since 1970, floats as doubles.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from muster_core.catalog.quantile import Sketch

#: A column with more distinct values than this keeps no list of them.
MOST_VALUES = 1_000


class Node(BaseModel):
    """Part of a statistics document: unknown fields refused, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ColumnStatistic(Node):
    """One column: of `rows` rows, `nulls` have no value (missing, empty text, NaN, no set element)."""

    kind: str
    rows: int
    nulls: int
    #: Ends of the range of the values that are set; None: no value, or of a type without a range (text,
    #: boolean, array), or personal.
    minimum: int | float | None = None
    maximum: int | float | None = None
    #: Every distinct value that is set with how many rows (for arrays: elements) have it; None: too many,
    #: floats or timestamps, or personal. Texts are themselves, booleans ``true`` and ``false``, all else the
    #: decimal digits of the whole number.
    values: dict[str, int] | None = None
    #: How the numbers, dates or timestamps that are set are spread; None: another type, decimals of more than 18
    #: digits, personal, no value, or counted by a release without it.
    spread: Sketch | None = None


class TableStatistic(Node):
    """The columns of one prepared table, of the profile or of a dimension."""

    columns: dict[str, ColumnStatistic]


class Statistics(Node):
    """Statistics of a whole snapshot.

    A prepared table's rows of customers that are not known yet are counted too, so that a value that is not
    listed here can match nothing, whoever becomes a customer later.
    """

    #: Under the names of the store: ``customers``, ``orders``, ``lines@line/giver``.
    tables: dict[str, TableStatistic] = {}
    dimensions: dict[str, TableStatistic] = {}

    def column(self, table: str, column: str) -> ColumnStatistic | None:
        """Return what is known of a column of the profile or a prepared table; None: nothing is."""
        known = self.tables.get(table)
        return known.columns.get(column) if known else None

    def dimension(self, table: str, column: str) -> ColumnStatistic | None:
        """Return what is known of a column of a dimension; None: nothing is."""
        known = self.dimensions.get(table)
        return known.columns.get(column) if known else None
