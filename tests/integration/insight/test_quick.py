"""Quick segments, and the values of columns to pick from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.integration.insight.shop import Shop

from muster_console.operation.preview import preview
from muster_console.operation.quick import quick_choices, quick_segment, save_quick_segment
from muster_console.operation.value import ValueOrder, values
from muster_core.errors import ChangedMeanwhile, InvalidInput, NotAllowedToSee, NotFound
from muster_core.security.role import Principal, Role
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration


def _column(shop: Shop, table: str, column: str) -> Counter[Any]:
    return Counter(row[column] for row in shop.world.rows[table] if row[column] is not None)


def test_a_column_offers_its_values_or_its_percentiles(shop: Shop) -> None:
    found = quick_choices(shop.workspace, "customers", "country")
    assert {t.value: t.rows for t in found.column.top} == _column(shop, "customers", "country")
    assert found.compares[0] == "eq"
    ages = quick_choices(shop.workspace, "customers", "age")
    assert (ages.column.minimum, ages.column.maximum) == (18, 89)
    assert [p.percent for p in ages.column.percentiles] == [1, 5, 25, 50, 75, 95, 99]
    hidden = quick_choices(shop.workspace, "customers", "email").column
    assert (hidden.personal, hidden.top) == (True, [])
    with pytest.raises(NotFound):
        quick_choices(shop.workspace, "customers", "contry")


@pytest.mark.parametrize(
    ("table", "column", "picked", "compare"),
    [
        ("customers", "country", ["GB"], None),
        ("customers", "country", ["GB", "DE"], None),
        ("customers", "age", ["40"], None),
        ("customers", "spent", ["100", "250.50"], None),
        ("customers", "vip", [], None),
        ("orders", "product", ["P1"], None),
        ("orders", "total", ["480"], "gt"),
        ("products", "category", ["books"], None),
    ],
)
def test_a_quick_segment_is_an_ordinary_one_with_its_size_beforehand(
    shop: Shop, table: str, column: str, picked: list[str], compare: str | None
) -> None:
    found = quick_segment(shop.workspace, table, column, picked, compare=compare, name="mine")
    assert found.preview.exact
    wanted = preview(shop.workspace, found.document, as_of=found.preview.as_of)
    assert wanted.members == found.preview.members
    members = shop.reference(found.preview.as_of).members(found.document)
    assert found.preview.members.count == len(members) > 0
    assert found.preview.percent == round(len(members) / 8, 2)
    assert save_quick_segment(shop.workspace, found).change == "created"
    with pytest.raises(ChangedMeanwhile):
        save_quick_segment(shop.workspace, found)


def test_a_comparison_that_does_not_fit_is_refused(shop: Shop) -> None:
    with pytest.raises(InvalidInput):
        quick_segment(shop.workspace, "customers", "country", ["5"], compare="gte")
    with pytest.raises(InvalidInput, match="1 problem"):
        quick_segment(shop.workspace, "customers", "country", ["GB"], compare="is_set")
    with pytest.raises(InvalidInput):
        quick_segment(shop.workspace, "customers", "age", ["1", "2"], compare="gte")


def test_every_value_of_a_column_is_listed_sorted_and_searched(shop: Shop) -> None:
    counted = _column(shop, "orders", "no")
    seen: list[Any] = []
    while True:
        page = values(
            shop.workspace, "orders", "no", order=ValueOrder.VALUE, limit=900, skip=len(seen)
        )
        seen += [v.value for v in page.values]
        if not page.more:
            break
    # rows of nobody are not in the store; here every order has a customer
    assert seen == sorted(counted)
    assert (page.distinct, page.rows) == (len(counted), 3_000)
    found = values(shop.workspace, "customers", "country", search="g")
    assert [(v.value, v.rows) for v in found.values] == [
        ("GB", _column(shop, "customers", "country")["GB"])
    ]
    assert (found.found, found.distinct) == (1, 4)
    most = values(shop.workspace, "customers", "age", limit=3)
    counted = _column(shop, "customers", "age")
    assert [v.rows for v in most.values] == sorted(counted.values(), reverse=True)[:3]
    assert values(shop.workspace, "products", "category").rows == 3


def test_values_of_a_personal_column_need_the_grant_and_are_recorded(shop: Shop) -> None:
    stranger = shop.workspace.of(Principal(name="v", role=Role.ADMINISTRATOR))
    with pytest.raises(NotAllowedToSee):
        values(stranger, "customers", "email")
    seer = shop.workspace.of(Principal(name="s", role=Role.VIEWER, members=True))
    found = values(seer, "customers", "email", search="C00001@", limit=5)
    assert [v.value for v in found.values] == ["c00001@canary.example"]
    with transaction(shop.workspace.database) as connection:
        (look, *_) = list_entries(connection, object="customers")
    assert (look.actor, look.action) == ("user s", "values.viewed")
    assert look.detail == {"column": "email", "rows": 1}
