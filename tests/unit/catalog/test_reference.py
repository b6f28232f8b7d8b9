import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.catalog.path import PathError, path_to_profile, paths_to_profile
from muster_core.catalog.reference import (
    dimension_keys,
    matching,
    profile_references,
    references,
)

TABLES = {
    "orders": {"id": "integer", "customer": "text", "store": "integer", "depot": "integer"},
    "lines": {"order": "integer", "product": "text"},
    "products": {"sku": "text", "brand": "integer", "name": "text"},
    "brands": {"id": "integer", "country": "text"},
    "stores": {"id": "integer", "city": "text", "region": "integer"},
    "regions": {"id": "integer", "name": "text"},
}


def table(name, columns):
    return Table(name=name, source=Source(parquet=f"/{name}"), columns=columns)


def catalog(*relationships):
    return Catalog(
        profile=table("customers", {"id": "text", "home": "integer"}),
        key="id",
        tables={name: table(name, columns) for name, columns in TABLES.items()},
        relationships=[
            Relationship.model_validate({"name": name, "from": from_, "to": to})
            for name, from_, to in (("buyer", "orders.customer", "customers.id"), *relationships)
        ],
    )


LINE = ("line", "lines.order", "orders.id")
ITEM = ("item", "lines.product", "products.sku")
BRAND = ("brand", "products.brand", "brands.id")
SHOP = ("shop", "orders.store", "stores.id")
DEPOT = ("depot", "orders.depot", "stores.id")
REGION = ("region", "stores.region", "regions.id")
HOME = ("home", "customers.home", "stores.id")


def found(catalog_, name):
    return references(catalog_, name, path_to_profile(catalog_, name))


def described(references_):
    return {
        (r.table, tuple((s.column, s.kind, s.table, s.key) for s in r.steps)): r.names
        for r in references_
    }


def test_chains_start_at_the_row_and_at_the_tables_along_its_path():
    assert described(found(catalog(LINE, ITEM, BRAND, SHOP), "lines")) == {
        ("products", (("product", "text", "products", "sku"),)): ("products", "item"),
        ("stores", (("orders.store", "integer", "stores", "id"),)): ("stores", "shop"),
        (
            "brands",
            (("product", "text", "products", "sku"), ("brand", "integer", "brands", "id")),
        ): ("brands", "brand"),
    }


def test_two_relationships_to_one_table_are_named_by_themselves():
    both = found(catalog(SHOP, DEPOT), "orders")
    assert [(r.table, r.names) for r in both] == [("stores", ("shop",)), ("stores", ("depot",))]
    assert [r.relationship for r in matching(both, "stores")] == ["shop", "depot"]
    assert [r.relationship for r in matching(both, "depot")] == ["depot"]
    assert matching(both, "regions") == []


def test_a_chain_through_an_ambiguous_table_cannot_be_named():
    regions = [r for r in found(catalog(SHOP, DEPOT, REGION), "orders") if r.table == "regions"]
    assert [(r.relationship, r.names) for r in regions] == [("region", ()), ("region", ())]
    assert len(matching(regions, "region")) == len(matching(regions, "regions")) == 2


def test_tables_on_the_path_and_the_profile_are_no_dimensions():
    replaced = ("replaced", "lines.product", "orders.id")
    owner = ("owner", "stores.id", "customers.id")
    catalog_ = catalog(LINE, ITEM, SHOP, replaced, owner)
    for path in paths_to_profile(catalog_, "lines"):
        targets = {r.table for r in references(catalog_, "lines", path)}
        assert targets <= {"products", "stores"}


def test_a_relationship_called_like_another_table_is_not_its_name():
    catalog_ = catalog(("brands", "orders.store", "stores.id"), LINE, ITEM, BRAND)
    names = {r.table: r.names for r in found(catalog_, "lines")}
    assert names["brands"] == ("brands", "brand")
    assert names["stores"] == ("stores",)
    like_parent = catalog(LINE, ("orders", "lines.product", "products.sku"))
    assert [r.names for r in found(like_parent, "lines")] == [("products",)]


def test_the_profile_has_dimensions_of_its_own():
    catalog_ = catalog(HOME, REGION)
    assert [(r.names, r.steps[0].column) for r in profile_references(catalog_)] == [
        (("stores", "home"), "home"),
        (("regions", "region"), "home"),
    ]
    assert found(catalog_, "orders") == []


def test_every_table_that_can_be_looked_up_is_told_with_its_keys():
    second = ("named", "customers.id", "stores.city")
    assert dimension_keys(catalog(LINE, ITEM, SHOP, second)) == {
        "products": ["sku"],
        "stores": ["city", "id"],
    }


def test_circles_end():
    back = ("back", "regions.id", "stores.id")
    catalog_ = catalog(SHOP, REGION, back)
    assert [r.table for r in found(catalog_, "orders")] == ["stores", "regions"]


def test_chains_are_followed_over_twenty_relationships_and_no_further():
    tables = {f"t{i}": table(f"t{i}", {"id": "integer", "next": "integer"}) for i in range(25)}
    links = [("first", "customers.home", "t0.id")]
    links += [(f"n{i}", f"t{i}.next", f"t{i + 1}.id") for i in range(24)]
    long = catalog(*links).model_copy(update={"tables": tables})
    assert max(len(r.chain) for r in profile_references(long)) == 20


def test_more_chains_than_anybody_could_tell_apart_are_refused():
    tables = {f"t{i}": table(f"t{i}", {"id": "integer"}) for i in range(14)}
    links = [(f"r{i}_{n}", f"t{i}.id", f"t{i + 1}.id") for i in range(13) for n in range(2)]
    wide = catalog(("first", "customers.home", "t0.id"), *links)
    wide = wide.model_copy(update={"tables": tables})
    with pytest.raises(PathError, match="over 1,000 ways"):
        profile_references(wide)
