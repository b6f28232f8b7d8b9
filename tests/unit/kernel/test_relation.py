"""Two columns of a row against each other: dates against instants, exact numbers against doubles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pytest

from muster_core.catalog.type import parse_type
from muster_core.kernel.column import Column
from muster_core.kernel.relation import related
from muster_core.rules.predicate import SameRow

Relation = Literal["eq", "gt", "gte", "lt", "lte"]
_ARROW = {
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "float": pa.float64(),
    "integer": pa.int64(),
    "decimal(38,30)": pa.decimal128(38, 30),
}


def _related(
    one: tuple[str, Any], relation: Relation, two: tuple[str, Any], zone: str = "UTC"
) -> bool:
    left, right = (Column(pa.array([v], _ARROW[k]), parse_type(k)) for k, v in (one, two))
    predicate = SameRow(other="o", other_type=two[0], relation=relation, zone=zone)
    return bool(related(predicate, left, right)[0])


@pytest.mark.parametrize(
    ("instant", "holding"),
    [
        (datetime(2026, 2, 28, 22, 59, 59, 999999, tzinfo=UTC), {"gt", "gte"}),
        (datetime(2026, 2, 28, 23, tzinfo=UTC), {"eq", "gte", "lte"}),
        (datetime(2026, 3, 1, 22, 59, 59, 999999, tzinfo=UTC), {"eq", "gte", "lte"}),
        (datetime(2026, 3, 1, 23, tzinfo=UTC), {"lt", "lte"}),
        (None, set()),
    ],
)
def test_a_date_is_held_against_the_local_date_of_an_instant(
    instant: datetime | None, holding: set[str]
) -> None:
    day, moment = ("date", date(2026, 3, 1)), ("timestamp", instant)
    relations: tuple[Relation, ...] = ("eq", "gt", "gte", "lt", "lte")
    assert {r for r in relations if _related(day, r, moment, "Europe/Berlin")} == holding
    turned = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
    found = {r for r in relations if _related(moment, r, day, "Europe/Berlin")}
    assert found == {turned.get(r, r) for r in holding}


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 31)])
def test_the_ends_of_the_calendar_are_held_against_instants(day: date) -> None:
    moment = ("timestamp", datetime(2026, 1, 1, tzinfo=UTC))
    assert _related(("date", day), "gt" if day.year > 2026 else "lt", moment, "Asia/Tokyo")


def test_exact_numbers_become_the_nearest_double() -> None:
    tenth = ("decimal(38,30)", Decimal("0.1"))
    assert _related(tenth, "eq", ("float", 0.1))
    assert _related(("float", 0.1), "gte", tenth)
    assert _related(("integer", 2**53 + 1), "eq", ("float", float(2**53)))
    assert _related(("integer", 1), "lt", ("float", float("inf")))
    assert not _related(("integer", 1), "lt", ("float", float("nan")))
