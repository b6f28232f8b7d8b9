"""The catalog as a form holds it: renaming and removing keep relationships right; what is in use can be written again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from muster_console.operation.catalog import check_catalog_text
from muster_console.operation.sourcing import document_of
from muster_console.web.builder.catalog import (
    add_relationship,
    add_table,
    is_catalog,
    mark_personal,
    remove_table,
    rename_table,
    tables_of,
)


def _catalog(folder: Path) -> dict[str, Any]:
    pq.write_table(pa.table({"id": ["a"], "mail": ["x"]}), folder / "customers.parquet")
    orders = pa.table({"no": [1], "customer": ["a"], "total": [2]})
    pq.write_table(orders, folder / "orders.parquet")
    return {
        "version": 1,
        "timezone": "Europe/Berlin",
        "profile": {
            "table": "customers",
            "key": "id",
            "source": {"parquet": str(folder / "customers.parquet")},
            "columns": {"mail": {"personal": True}},
        },
        "tables": {
            "orders": {
                "source": {"parquet": str(folder / "orders.parquet")},
                "row_key": ["no"],
                "only": ["no", "customer"],
                "freshness": {"min_rows": 1},
            }
        },
        "relationships": [{"name": "buyer", "from": "orders.customer", "to": "customers.id"}],
    }


def test_a_catalog_in_use_is_written_so_that_it_stays_the_same(tmp_path: Path) -> None:
    written = _catalog(tmp_path)
    first = check_catalog_text(yaml.safe_dump(written)).catalog
    again = document_of(first)
    assert again == written
    assert check_catalog_text(yaml.safe_dump(again)).catalog.digest() == first.digest()


def test_renaming_a_table_renames_it_where_relationships_name_it(tmp_path: Path) -> None:
    data = _catalog(tmp_path)
    rename_table(data, "orders", "sales")
    rename_table(data, "customers", "people")
    assert list(tables_of(data)) == ["people", "sales"]
    (link,) = data["relationships"]
    assert (link["from"], link["to"]) == ("sales.customer", "people.id")


def test_what_is_added_has_a_free_name_and_what_is_removed_takes_its_relationships(
    tmp_path: Path,
) -> None:
    data = _catalog(tmp_path)
    add_table(data)
    add_table(data)
    add_relationship(data)
    assert list(tables_of(data)) == ["customers", "orders", "table_1", "table_2"]
    assert data["relationships"][1] == {"name": "link_1", "from": "", "to": "customers.id"}
    remove_table(data, "orders")
    assert [link["name"] for link in data["relationships"]] == ["link_1"]


def test_marking_columns_keeps_what_else_is_said_of_them() -> None:
    table = {"columns": {"a": {"personal": True, "description": "x"}, "b": {"personal": True}}}
    assert mark_personal(table, ["c"]) == {"a": {"description": "x"}, "c": {"personal": True}}


def test_only_what_a_form_can_show_is_taken_from_text(tmp_path: Path) -> None:
    assert is_catalog(_catalog(tmp_path))
    broken: tuple[Any, ...] = (
        None,
        {"profile": []},
        {"profile": {"source": "x"}},
        {"profile": {"source": {"postgres": "x"}}},
        {"profile": {"source": {}}, "relationships": [1]},
        {"profile": {"source": {}, "columns": {"a": 1}}},
        {"profile": {"source": {}}, "tables": []},
    )
    for wrong in broken:
        assert not is_catalog(wrong)
