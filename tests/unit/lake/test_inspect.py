from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import CatalogDocument
from muster_core.catalog.text import read_catalog
from muster_core.errors import (
    DuplicateKeys,
    InvalidInput,
    NullKeys,
    SourceMissing,
    SourceUnreadable,
)
from muster_core.lake.inspect import resolve_catalog

DATA = Path(__file__).parents[4] / "shared" / "data"

CUSTOMERS = {"id": ["a", "b", "c"], "age": [1, 2, None]}
ORDERS = {
    "id": [1, 2, 3, 4],
    "customer": ["a", "b", "x", None],
    "at": [datetime(2026, 1, 1)] * 3 + [None],
}


def document(**changes) -> CatalogDocument:
    text = """
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders.parquet}, time: at, row_key: [id]}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id, coverage: 0.9}
"""
    for old, new in changes.items():
        text = text.replace(old, new)
    return read_catalog(text, "shop.yaml")


@pytest.fixture
def base(tmp_path):
    write(tmp_path)
    return tmp_path


def write(base, customers=CUSTOMERS, orders=ORDERS):
    pq.write_table(pa.table(customers), base / "customers.parquet")
    pq.write_table(pa.table(orders), base / "orders.parquet")


def problems_of(base, **changes):
    with pytest.raises(InvalidInput) as caught:
        resolve_catalog(document(**changes), base=base, file="shop.yaml")
    return [(p.pointer, p.message, p.hint) for p in caught.value.problems]


def test_types_rows_and_coverage_are_found(base):
    found = resolve_catalog(document(), base=base)
    assert found.catalog.profile.columns == {"id": "text", "age": "integer"}
    assert found.catalog.tables["orders"].source.parquet == str(base / "orders.parquet")
    orders = found.tables[1]
    assert (orders.rows, orders.nulls) == (4, {"at": 1, "customer": 1})
    assert orders.coverage == {"buyer": pytest.approx(2 / 3)}
    assert "66.7% of the referring rows" in found.warnings[0].message
    assert found.warnings[0].pointer == "/relationships/0/coverage"


def test_an_unknown_column_comes_with_the_nearest_names(base):
    assert problems_of(base, **{"time: at": "time: att", "key: id": "key: idd"}) == [
        ("/profile/key", "the source has no column idd", "Did you mean id?"),
        ("/tables/orders/time", "the source has no column att", "Did you mean at?"),
    ]


def test_a_key_or_time_of_the_wrong_type_is_refused(base):
    write(base, orders=ORDERS | {"when": [1, 2, 3, 4]}, customers=CUSTOMERS | {"ok": [True] * 3})
    found = problems_of(base, **{"time: at": "time: when", "key: id": "key: ok"})
    assert [(pointer, message) for pointer, message, _ in found] == [
        ("/profile/key", "column ok of type boolean cannot be a key"),
        ("/tables/orders/time", "column when of type integer cannot be a time"),
    ]


def test_relationships_that_do_not_fit_are_refused(base):
    (found,) = problems_of(base, **{"from: orders.customer": "from: orders.id"})
    assert found[:2] == ("/relationships/0", "orders.id is integer, but customers.id is text")
    (found,) = problems_of(base, **{"from: orders.customer": "from: order.customer"})
    assert found == ("/relationships/0/from", "there is no table order", "Did you mean orders?")
    (found,) = problems_of(base, **{"to: customers.id": "to: customers.age"})
    assert found[1] == "a relationship to customers must refer to its key"


@pytest.mark.parametrize("zone", ["Mars/Base", "posix/Europe/Berlin", "Japan", "GMT"])
def test_zones_that_rules_or_schedules_would_refuse_are_refused(base, zone):
    (found,) = problems_of(base, **{"time: at": f"time: at, timezone: {zone}"})
    assert found[0] == "/tables/orders/timezone"
    assert "no time zone" in found[1]


def test_a_missing_and_an_unreadable_source_keep_their_class(base):
    (base / "orders.parquet").unlink()
    with pytest.raises(SourceMissing, match=r"shop\.yaml /tables/orders/source/parquet: .*exist"):
        resolve_catalog(document(), base=base, file="shop.yaml")
    (base / "orders.parquet").write_bytes(b"nonsense")
    with pytest.raises(SourceUnreadable, match=r"orders\.parquet is not readable Parquet"):
        resolve_catalog(document(), base=base)


def test_duplicate_keys_are_counted_and_never_quoted(base):
    write(base, customers={"id": ["secret", "b", "secret", "secret"]})
    with pytest.raises(DuplicateKeys, match=r"2 rows repeat a key of customers\.id") as caught:
        resolve_catalog(document(), base=base)
    assert "secret" not in str(caught.value)


def test_rows_without_key_are_counted(base):
    write(base, customers={"id": ["a", "", None]})
    with pytest.raises(NullKeys, match=r"2 of 3 rows have no customers\.id"):
        resolve_catalog(document(), base=base)


def test_columns_of_other_types_are_left_out_with_a_warning(base):
    write(base, customers=CUSTOMERS | {"photo": [b"x"] * 3})
    found = resolve_catalog(document(), base=base)
    assert "photo" not in found.catalog.profile.columns
    assert "photo of customers is left out: its type binary" in found.warnings[0].message
    (problem,) = problems_of(base, **{"key: id": "key: photo"})
    assert problem[1] == "column photo has the type binary, which is not supported"


def test_only_keeps_what_is_named_and_what_joins(base):
    only = {"time: at, row_key: [id]": "only: [at]"}
    found = resolve_catalog(document(**only), base=base)
    assert sorted(found.catalog.tables["orders"].columns) == ["at", "customer"]


def test_a_table_nobody_can_reach_is_told(base):
    text = document().model_copy(update={"relationships": []})
    assert (
        "no relationship leads from orders" in resolve_catalog(text, base=base).warnings[0].message
    )


@pytest.mark.skipif(not DATA.exists(), reason=f"needs the handed-in data at {DATA}")
def test_real_data_is_measured():
    text = """
profile: {table: customers, key: customer_id, source: {parquet: customers.parquet}}
tables:
  lines: {source: {parquet: lines.parquet}, time: invoiced_at, row_key: [line_id]}
relationships: [{name: buyer, from: lines.customer_id, to: customers.customer_id, coverage: 1}]
"""
    found = resolve_catalog(read_catalog(text, "c"), base=DATA / "online_retail")
    assert [t.rows for t in found.tables] == [4372, 541_909]
    assert found.tables[1].nulls == {"customer_id": 135_080}
    assert found.warnings == []


HISTORY = """
profile:
  table: customers
  key: id
  source: {parquet: customers.parquet}
  columns:
    age: {history: {table: changes, column: field, value: value}}
tables:
  changes: {source: {parquet: changes.parquet}, time: at}
relationships:
  - {name: changed, from: changes.customer, to: customers.id}
"""
CHANGES = {
    "customer": ["a"],
    "field": ["age"],
    "value": ["7"],
    "at": [datetime(2026, 1, 1)],
    "words": [["x"]],
    "number": [1],
}


def history(base, text=HISTORY, **changes):
    pq.write_table(pa.table(CHANGES), base / "changes.parquet")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return resolve_catalog(read_catalog(text, "shop.yaml"), base=base)


def test_a_history_of_a_profile_column_is_carried_into_the_catalog(base):
    found = history(base).catalog
    assert found.histories["age"].model_dump() == {
        "table": "changes",
        "column": "field",
        "value": "value",
    }
    # its columns are taken even where `only` does not name them
    only = history(base, **{"time: at": "time: at, only: [at]"}).catalog
    assert set(only.tables["changes"].columns) == {"customer", "field", "value", "at"}


CHANGED = "  - {name: changed, from: changes.customer, to: customers.id}"


@pytest.mark.parametrize(
    ("old", "new", "pointer", "message"),
    [
        ("table: changes,", "table: chnges,", "table", "there is no related table chnges"),
        ("table: changes,", "table: customers,", "table", "there is no related table customers"),
        (", time: at", "", "table", "table changes declares no time, so it tells no history"),
        ("column: field", "column: feld", "column", "table changes has no column feld"),
        ("value: value", "value: val", "value", "table changes has no column val"),
        ("column: field", "column: number", "column",
         "column number of type integer cannot name profile columns"),
        ("value: value", "value: words", "value",
         "column words of type array<text> cannot hold a history's values"),
        (f"relationships:\n{CHANGED}", "relationships: []",
         "table", "no relationship leads from changes to customers; a history needs one"),
        (CHANGED, f"{CHANGED}\n{CHANGED.replace('changed', 'again')}",
         "table", "several ways lead from changes to customers; a history needs one"),
    ],
)  # fmt: skip
def test_a_history_that_does_not_fit_is_refused(base, old, new, pointer, message):
    with pytest.raises(InvalidInput) as caught:
        history(base, **{old: new})
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.message) == (
        f"/profile/columns/age/history/{pointer}",
        message,
    )


def test_a_history_of_a_related_tables_column_is_refused(base):
    note = "time: at, columns: {value: {history: {table: changes, column: field, value: value}}}"
    with pytest.raises(InvalidInput) as caught:
        history(base, **{"time: at": note})
    messages = [p.message for p in caught.value.problems]
    assert messages == ["only a column of the profile has a history"]


def test_a_table_that_others_refer_to_is_no_stranger(base):
    pq.write_table(pa.table({"id": [1, 2], "sku": ["s", "t"]}), base / "products.parquet")
    changes = {
        "coverage: 0.9}": "}\n  - {name: item, from: orders.id, to: products.id}",
        "row_key: [id]}": "row_key: [id]}\n  products: {source: {parquet: products.parquet}}",
    }
    assert resolve_catalog(document(**changes), base=base).warnings == []


def test_a_customer_with_two_rows_of_a_one_to_one_table_is_refused(base):
    write(base, orders=ORDERS | {"customer": ["a", "b", "b", None]})
    with pytest.raises(DuplicateKeys, match=r"1 rows repeat a key of orders.customer"):
        resolve_catalog(document(**{"coverage: 0.9": "kind: one_to_one"}), base=base)


def test_a_list_is_no_row_key(base):
    write(base, orders=ORDERS | {"tags": [["x"]] * 4})
    ((pointer, message, _),) = problems_of(base, **{"row_key: [id]": "row_key: [tags]"})
    assert pointer == "/tables/orders/row_key/0"
    assert message == "column tags of type array<text> cannot be part of a row key"


def test_a_ladder_of_relationships_with_more_ways_than_anybody_could_tell_is_refused(base):
    tables = relations = ""
    for step in range(12):
        pq.write_table(pa.table({"id": [1]}), base / f"t{step}.parquet")
        tables += f"\n  t{step}: {{source: {{parquet: t{step}.parquet}}}}"
        for twin in range(2 if step < 11 else 0):
            relations += f"\n  - {{name: r{step}{twin}, from: t{step}.id, to: t{step + 1}.id}}"
    relations += "\n  - {name: first, from: orders.id, to: t0.id}"
    changes = {"row_key: [id]}": f"row_key: [id]}}{tables}", "coverage: 0.9}": f"}}{relations}"}
    ((pointer, message, _),) = problems_of(base, **changes)
    assert (pointer, message) == (
        "/relationships",
        "over 1,000 ways of relationships lead on from orders",
    )


@pytest.mark.parametrize("told", [True, False])
def test_unsigned_numbers_above_int64_are_refused_by_table_and_column(base, told):
    wide = pa.table({"id": ["a", "b", "c"], "age": pa.array([1, None, 2**63], pa.uint64())})
    pq.write_table(wide, base / "customers.parquet", write_statistics=told)
    if told:
        ((pointer, message, hint),) = problems_of(base)
        assert pointer == "/profile"
        assert "column age of customers has unsigned numbers" in message
        assert "decimal(20,0)" in hint
        assert resolve_catalog(document(**{"key: id": "key: id, only: [id]"}), base=base).catalog
    else:  # only who reads the column can know; the preparation refuses it
        resolve_catalog(document(), base=base)


@pytest.mark.parametrize("least", [0, 2**62, 2**63 - 1])
def test_unsigned_numbers_that_fit_are_integers(base, least):
    ages = pa.array([least, None, 2**63 - 1], pa.uint64())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "age": ages}), base / "customers.parquet")
    assert resolve_catalog(document(), base=base).catalog.profile.columns["age"] == "integer"
