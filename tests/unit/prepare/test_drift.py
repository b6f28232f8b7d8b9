"""Sources whose columns change: what is taken up, what is refused, and who is named."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import SourceUnreadable
from muster_core.lake.manifest import SnapshotManifest
from muster_core.lake.source import list_source
from muster_core.rules.document import SegmentDocument
from muster_core.rules.limit import DEFAULT_LIMITS
from muster_core.rules.measure import MeasureDocument
from muster_core.storage.usage import Users
from muster_worker.prepare.drift import find_drift, follow_sources

COLUMNS = {"id": "text", "day": "date", "age": "integer", "city": "text", "note": "text"}


def _segment(name: str, column: str) -> SegmentDocument:
    where = {"kind": "attribute", "column": column, "compare": "is_set"}
    return SegmentDocument.model_validate({"name": name, "rules": [{"where": where}]})


USERS = Users(
    segments=[_segment("grown_up", "age"), _segment("somewhere", "city")],
    exports=[("crm", frozenset({"age"}))],
    limits=DEFAULT_LIMITS,
)


@pytest.fixture
def table(tmp_path) -> Table:
    return Table(name="customers", source=Source(parquet=str(tmp_path)), columns=dict(COLUMNS))


def write(folder, name: str, columns: dict[str, str]) -> None:
    types = {"text": pa.string(), "date": pa.date32(), "integer": pa.int64(), "boolean": pa.bool_()}
    schema = pa.schema([(column, types[kind]) for column, kind in columns.items()])
    pq.write_table(schema.empty_table(), folder / name)


def follow(table: Table, users: Users = USERS, before: SnapshotManifest | None = None) -> Catalog:
    catalog = Catalog(profile=table, key="id")
    return follow_sources(catalog, {"customers": list_source(table.source)}, before, users)


def less(*columns: str) -> dict[str, str]:
    return {name: kind for name, kind in COLUMNS.items() if name not in columns}


def test_nothing_changes_where_the_columns_are_the_same(tmp_path, table):
    write(tmp_path, "1.parquet", COLUMNS)
    assert follow(table).profile == table


def test_an_added_column_is_taken_up_unless_the_table_names_its_columns(tmp_path, table):
    write(tmp_path, "1.parquet", COLUMNS | {"vip": "boolean"})
    assert follow(table).profile.columns == COLUMNS | {"vip": "boolean"}
    assert follow(table.model_copy(update={"closed": True})).profile.columns == COLUMNS


def test_a_dropped_column_that_nothing_uses_is_fine(tmp_path, table):
    write(tmp_path, "1.parquet", less("note"))
    assert follow(table).profile.columns == less("note")


def test_a_dropped_column_is_refused_with_everybody_who_uses_it(tmp_path, table):
    write(tmp_path, "1.parquet", less("age"))
    with pytest.raises(SourceUnreadable) as refused:
        follow(table)
    assert str(refused.value).startswith(
        "The source of customers no longer has column age; it is used by segment grown_up, export crm."
    )


def test_a_changed_type_is_refused_with_everybody_who_uses_it(tmp_path, table):
    write(tmp_path, "1.parquet", COLUMNS | {"city": "integer"})
    with pytest.raises(SourceUnreadable, match="has column city as integer, the catalog as text"):
        follow(table)
    write(tmp_path, "1.parquet", COLUMNS | {"city": "integer"})
    with pytest.raises(SourceUnreadable, match="it is used by segment somewhere"):
        follow(table)


def test_measures_and_the_catalog_itself_use_columns(tmp_path):
    orders = Table(
        name="orders",
        source=Source(parquet=str(tmp_path)),
        columns={"id": "text", "amount": "integer", "at": "date"},
        time="at",
    )
    by = {"table": "orders", "aggregate": {"function": "sum", "column": "amount"}}
    measure = MeasureDocument.model_validate({"name": "spent", "by": by})
    relationship = {"name": "buyer", "from": "orders.id", "to": "customers.id"}
    catalog = Catalog.model_validate(
        {
            "profile": Table(name="customers", source=orders.source, columns={"id": "text"}),
            "key": "id",
            "tables": {"orders": orders},
            "relationships": [relationship],
        }
    )
    users = Users(measures=[measure], limits=DEFAULT_LIMITS)
    assert users.of(catalog, "orders", "amount") == ["measure spent"]
    assert users.of(catalog, "orders", "at") == ["the time of the table"]
    assert users.of(catalog, "orders", "id") == ["relationship buyer"]
    assert users.of(catalog, "customers", "id")[0] == "the key of the profile"


def test_a_file_may_lack_what_others_have_but_a_writer_may_not_drop_it(tmp_path, table):
    write(tmp_path, "2.parquet", COLUMNS)
    known = list_source(table.source)
    # a late day from before the column was there
    write(tmp_path, "1.parquet", less("note"))
    assert find_drift(table, list_source(table.source), known).ended == []
    known = list_source(table.source)
    write(tmp_path, "3.parquet", less("note"))
    drift = find_drift(table, list_source(table.source), known)
    assert (drift.gone, drift.ended) == ([], ["note"])


def test_the_type_of_a_folder_column_is_told_by_all_folders(tmp_path):
    for region in ("north", "5"):
        (tmp_path / f"region={region}").mkdir()
        write(tmp_path / f"region={region}", "1.parquet", {"id": "text"})
    table = Table(
        name="customers",
        source=Source(parquet=str(tmp_path)),
        columns={"id": "text", "region": "text"},
    )
    files = list_source(table.source)
    known = [file for file in files if "north" in file.path]
    drift = find_drift(table, files, known)
    assert (drift.added, drift.gone, drift.changed) == ({}, [], {})
