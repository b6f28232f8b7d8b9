"""What an editor offers at the cursor."""

from __future__ import annotations

import pytest
from tests.unit.rules.expression.shop import CATALOG

from muster_core.rules.expression.complete import complete


def _offered(text: str) -> set[str]:
    at = text.index("|")
    found = complete(
        text.replace("|", ""), at, CATALOG, segments=["vip", "first"], measures=["lifetime_value"]
    )
    return {s.text for s in found}


@pytest.mark.parametrize(
    ("text", "offered", "missing"),
    [
        (
            "|",
            {"country", "loyalty.tier", "count(", "not", "in segment", "everyone"},
            {"amount", "and"},
        ),
        ("cou|", {"country", "count("}, {"age"}),
        ("country |", {"=", "contains", "starts with", "is set", "in ("}, {">", "between"}),
        ("age |", {">", "between", "is set"}, {"contains", "in last 30 days"}),
        ("signed_up |", {"<", "in last 30 days"}, {"contains"}),
        ("opted_in |", {"is true"}, {">", "contains"}),
        ("tags |", {"contains item"}, {"starts with"}),
        ("country = 'GB' |", {"and", "or", "ignoring case"}, {"country"}),
        ("count(|", {"orders", "visits", "distinct"}, {"country"}),
        ("count(orders |", {"where", "via"}, {"country"}),
        ("count(orders where |", {"amount", "status", "customers.country"}, {"country"}),
        ("count(orders where amount |", {">"}, {"contains"}),
        ("sum(amount of |", {"orders"}, {"amount"}),
        (
            "count(orders, |",
            {"last 30 days", "this month", "including future", "before 30 days ago"},
            set(),
        ),
        ("count(orders, last 30 days) |", {">=", "and"}, {"contains"}),
        ("count(orders via |", {"order_customer"}, {"orders"}),
        ("in segment |", {"vip", "`first`"}, {"country"}),
        ("measure(|", {"lifetime_value"}, {"orders"}),
        ("last row (orders) has (|", {"country"}, set()),
        ("top 10 by |", {"age", "sum("}, set()),
        ("country = '|", set(), {"country"}),
        ("country = = |", set(), {"country"}),
    ],
)
def test_what_fits_is_offered(text: str, offered: set[str], missing: set[str]) -> None:
    found = _offered(text)
    assert offered <= found, found
    assert not missing & found


def test_a_suggestion_replaces_what_is_typed_of_it() -> None:
    (found,) = complete("country = 'GB' and signed", 25, CATALOG)
    assert (found.text, found.kind, found.start, found.detail) == (
        "signed_up",
        "column",
        19,
        "timestamp",
    )
