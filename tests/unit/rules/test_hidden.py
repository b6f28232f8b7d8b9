"""What of a definition is hidden from people who may not see member data, and how it comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muster_core.catalog.document import Catalog
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.hidden import Veil, is_placeholder, placeholders_in

CATALOG = Catalog.model_validate(
    {
        "profile": {
            "name": "customers",
            "source": {"parquet": "c"},
            "columns": {"id": "integer", "email": "text", "born": "date", "city": "text"},
            "personal": ["email", "born"],
        },
        "key": "id",
        "tables": {
            "orders": {
                "name": "orders",
                "source": {"parquet": "o"},
                "columns": {"customer": "integer", "ship_to": "text", "city": "text"},
                "personal": ["ship_to"],
            }
        },
        "relationships": [{"name": "buyer", "from": "orders.customer", "to": "customers.id"}],
    }
)
VEIL = Veil(CATALOG)


def rules(*expressions: str) -> dict[str, Any]:
    conditions = [parse_expression(text) for text in expressions]
    return {
        "name": "vip",
        "rules": [
            {"where": c.model_dump(mode="json", by_alias=True, exclude_unset=True)}
            for c in conditions
        ],
    }


@pytest.mark.parametrize(
    "expression",
    [
        "id = 417",
        "id in (417, 418)",
        "id > 417",
        "email = 'canary'",
        "not (email in ('canary', 'b'))",
        "born = '1971-01-07'",
        "exists(orders where ship_to = 'canary')",
        "exists(orders where customer = 417)",
        "exists(orders where customers.email = 'canary')",
        "exists(orders where buyer.email = 'canary')",
        "first(ship_to of orders) = 'canary'",
    ],
)
def test_values_that_name_a_customer_are_hidden_and_come_back(expression: str) -> None:
    stored = rules(expression)
    shown, values = VEIL.cover(stored, 3)
    said = json.dumps(shown)
    assert not [word for word in ("417", "canary", "1971") if word in said]
    assert {*placeholders_in(shown)} == {*values}
    assert VEIL.uncover(json.loads(said), values) == stored


@pytest.mark.parametrize(
    "expression",
    [
        "city = 'Oslo'",
        "exists(orders where city = 'Oslo')",
        "born < '1990-01-01'",
        "email ends with '@example.org'",
        "count(orders) > 3",
        "email is set",
    ],
)
def test_what_says_nothing_of_one_customer_is_shown(expression: str) -> None:
    stored = rules(expression)
    assert VEIL.cover(stored, 3) == (stored, {})


def test_lists_by_hand_are_hidden_one_by_one_and_may_be_changed() -> None:
    stored = {"name": "vip", "manual": {"add": [7, 8], "remove": ["7", 9]}}
    shown, values = VEIL.cover(stored, 2)
    add, remove = shown["manual"]["add"], shown["manual"]["remove"]
    assert len({*add, *remove}) == 4, "a number and a text are two values"
    changed = {"name": "vip", "manual": {"add": [11, add[1]], "remove": remove}}
    assert VEIL.uncover(changed, values)["manual"] == {"add": [11, 8], "remove": ["7", 9]}
    # without a catalog nobody knows columns, and lists are hidden all the same
    assert Veil(None).cover(stored, 2)[0] == shown


def test_two_revisions_show_what_is_equal_as_equal() -> None:
    before, after = ({"manual": {"add": keys}} for keys in (["a", "b"], ["b", "c"]))
    first, known = VEIL.cover(before, 1)
    second, _ = VEIL.cover(after, 2, known)
    assert first["manual"]["add"][1] == second["manual"]["add"][0]
    assert second["manual"]["add"][1] == "(hidden 2.0)"


def test_placeholders_are_taken_only_where_values_are_hidden() -> None:
    _, values = VEIL.cover({"manual": {"add": ["a"]}}, 1)
    (placeholder,) = values
    assert is_placeholder(placeholder)
    for elsewhere in (
        {"description": placeholder},
        {"rules": [{"where": {"kind": "attribute", "column": "city", "value": placeholder}}]},
    ):
        assert VEIL.uncover(elsewhere, values) == elsewhere


def test_a_draft_that_nothing_can_read_hides_whole_expressions() -> None:
    stored = {"name": "vip", "rules": [{"where": "email = = 'canary'"}, {"where": "city = = 'x'"}]}
    shown, values = VEIL.cover(stored, 1)
    assert "canary" not in json.dumps(shown)
    assert "city" in json.dumps(shown)
    assert VEIL.uncover(shown, values) == stored
    odd = {"manual": {"add": "canary", "other": {"more": ["canary"]}}}
    assert "canary" not in json.dumps(VEIL.cover(odd, 1)[0])
