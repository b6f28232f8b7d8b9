import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.catalog.path import (
    PathError,
    path_to_profile,
    paths_to_profile,
    prepared_columns,
    prepared_name,
)


def table(name, **columns):
    return Table(name=name, source=Source(parquet=f"/{name}"), columns=columns)


def catalog(*relationships):
    return Catalog(
        profile=table("customers", id="text"),
        key="id",
        tables={
            "orders": table("orders", id="integer", customer="text", giver="text"),
            "lines": table("lines", order="integer", amount="decimal(10,2)"),
            "products": table("products", id="integer"),
        },
        relationships=[
            Relationship.model_validate({"name": name, "from": from_, "to": to})
            for name, from_, to in relationships
        ],
    )


BUYER = ("buyer", "orders.customer", "customers.id")
GIVER = ("giver", "orders.giver", "customers.id")
LINE = ("line", "lines.order", "orders.id")


def names(path):
    return [step.name for step in path]


def test_one_way_is_chosen_by_itself():
    found = catalog(BUYER, LINE)
    assert names(path_to_profile(found, "lines")) == ["line", "buyer"]
    assert prepared_name(found, "lines", path_to_profile(found, "lines")) == "lines"


def test_several_ways_must_be_named():
    found = catalog(BUYER, GIVER, LINE)
    with pytest.raises(PathError, match="several ways") as caught:
        path_to_profile(found, "lines")
    assert caught.value.choices == (("line", "buyer"), ("line", "giver"))
    path = path_to_profile(found, "lines", ["line", "giver"])
    assert prepared_name(found, "lines", path) == "lines@line/giver"
    with pytest.raises(PathError, match="is no way"):
        path_to_profile(found, "lines", ["giver"])


def test_a_table_without_a_way_says_so():
    with pytest.raises(PathError, match="no relationship leads from products to customers"):
        path_to_profile(catalog(BUYER, LINE), "products")


def test_circles_end():
    found = catalog(BUYER, LINE, ("back", "orders.id", "lines.order"))
    assert [names(p) for p in paths_to_profile(found, "lines")] == [["line", "buyer"]]


def test_columns_along_the_way_are_carried():
    found = catalog(BUYER, LINE)
    columns = prepared_columns(found, "lines", path_to_profile(found, "lines"))
    assert columns == {
        "order": "integer",
        "amount": "decimal(10,2)",
        "orders.id": "integer",
        "orders.customer": "text",
        "orders.giver": "text",
    }
