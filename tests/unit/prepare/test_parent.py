"""Rows of a table on the way, found by key: what is read, and that it is what the whole table would give."""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Source, Table
from muster_core.lake.manifest import SourceFile
from muster_worker.prepare.budget import Budget, BudgetSpent
from muster_worker.prepare.parent import ParentRows

COLUMNS = {"id": "integer", "customer": "text", "day": "date"}
SCHEMA = pa.schema([("id", pa.int64()), ("customer", pa.string()), ("day", pa.date32())])


@pytest.fixture
def files(tmp_path):
    """Two files of five row groups each; ids 0 to 9 and 10 to 19."""
    found = []
    for number in (0, 1):
        ids = range(10 * number, 10 * number + 10)
        rows = [
            [*ids],
            [None if i == 3 else f"c{i}" for i in ids],
            [date(2026, 1, 1 + i) for i in ids],
        ]
        path = tmp_path / f"{number}.parquet"
        arrays = [pa.array(r, f.type) for r, f in zip(rows, SCHEMA, strict=True)]
        pq.write_table(pa.table(arrays, schema=SCHEMA), path, row_group_size=2)
        found.append(SourceFile(number=5 + number, path=str(path), size=1, etag=str(number)))
    return found


def parents(tmp_path, files, known=(), budget=None):
    source = Source(parquet=str(tmp_path))
    return ParentRows(
        table=Table(name="orders", source=source, columns=COLUMNS),
        key="id",
        files=files,
        known=known,
        budget=budget or Budget(),
    )


def repeat(file, tmp_path, ids):
    """Return a further file with these ids."""
    path = tmp_path / "more.parquet"
    rows = [ids, [None] * len(ids), [None] * len(ids)]
    arrays = [pa.array(r, f.type) for r, f in zip(rows, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path)
    return file.model_copy(update={"number": 9, "path": str(path), "etag": "more"})


def test_rows_come_with_both_keys_and_their_columns_as_they_travel(tmp_path, files):
    found = parents(tmp_path, files).rows(pa.array(["13", "3", "77"]), "customer", start=4)
    assert found.to_pylist() == [
        {"j0": "3", "j1": None, "c4": 3, "c5": None, "c6": 20457},
        {"j0": "13", "j1": "c13", "c4": 13, "c5": "c13", "c6": 20467},
    ]
    nothing = parents(tmp_path, files).rows(pa.array([], pa.string()), "customer", start=4)
    assert nothing.num_rows == 0
    assert nothing.schema.names == ["j0", "j1", "c4", "c5", "c6"]


def test_only_row_groups_that_may_hold_a_key_cost_something(tmp_path, files):
    wanted = pa.array(["3", "12"])
    with pytest.raises(BudgetSpent):
        parents(tmp_path, files, budget=Budget(looked_at=3)).rows(wanted, "customer", start=0)
    budget = Budget(looked_at=4)
    assert parents(tmp_path, files, budget=budget).rows(wanted, "customer", start=0).num_rows == 2
    with pytest.raises(BudgetSpent):
        parents(tmp_path, files, budget=Budget(held=1)).rows(wanted, "customer", start=0)


@pytest.mark.parametrize(
    ("ids", "repeated"), [([20, 21, None, None], 0), ([20, 20, 20], 2), ([3, 12, 20, 20], 3)]
)
def test_repeated_keys_are_counted_among_new_files_and_against_those_known(
    tmp_path, files, ids, repeated
):
    more = repeat(files[0], tmp_path, ids)
    assert parents(tmp_path, [*files, more], known=files).repeated() == repeated
    assert parents(tmp_path, [*files, more]).repeated() == repeated


def test_dead_rows_are_no_parents(tmp_path, files):
    dead = tmp_path / "dead.arrow"
    table = pa.table({"row": pa.array([3], pa.int64())})
    with pa.ipc.new_file(dead, table.schema) as writer:
        writer.write_table(table)
    marked = files[0].model_copy(update={"dead": str(dead), "dead_rows": 1})
    assert parents(tmp_path, [marked]).rows(pa.array(["3", "4"]), "customer", start=0)[
        "j0"
    ].to_pylist() == ["4"]
    more = repeat(files[0], tmp_path, [3])
    assert parents(tmp_path, [marked, more], known=[marked]).repeated() == 0
