"""Rows that died one by one: which bits are set, what is counted, and what is left of what was left out."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Source, Table
from muster_core.errors import TerminalError
from muster_core.extract.dead import write_dead
from muster_core.lake.location import Lake
from muster_core.lake.manifest import LeftOut, StoreFile
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan
from muster_worker.prepare.killing import _still_left_out
from muster_worker.prepare.task.killing import Died, KillRows
from muster_worker.prepare.task.revising import Held
from muster_worker.prepare.writer import StoreWriter, orphan_schema, table_schema

COLUMNS = {"at": "integer", "name": "text"}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def write(lake, schema, rows):
    columns = list(zip(*rows, strict=True))
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)
    with StoreWriter(lake, "s", 1, schema) as writer:
        writer.write(table)
        return writer.close()


def dead(lake, name, rows):
    write_dead(lake, name, rows)
    return lake.address(name)


def killed(lake, died, files, orphans=()):
    task = KillRows(
        lake=lake,
        directory="s",
        columns=COLUMNS,
        personal=frozenset(),
        died=tuple(died),
        parts=(Held(partition=1, files=tuple(files), orphans=tuple(orphans), customers=9),),
    )
    (answer,) = task([pa.RecordBatch.from_pydict({"id": [0]})])
    return json.loads(answer.column("result")[0].as_py())


def left(lake, files):
    scan = RowScan(lake=lake, dead_sources=(), order=Order(time="at"))
    batches = scan.columns([StoreFile(**f) for f in files], ["at"])
    return [at for batch in batches for at in batch.column(0).to_pylist()]


def test_rows_die_in_every_file_that_holds_them_and_what_they_held_is_counted(lake):
    # source file 3 has the rows 0 to 49, file 4 others of the same numbers
    rows = [(0, i, f"n{i % 2}", 3 + i % 2, i // 2) for i in range(99, -1, -1)]
    files = [write(lake, table_schema(COLUMNS), part) for part in (rows[:50], rows[50:])]
    waiting = write(lake, orphan_schema(COLUMNS), [("x", 2, "w", 3, 77), (None, 1, "w", 3, 78)])
    died = Died(number=3, path="", dead=dead(lake, "d1", [1, 40, 78]), rows=3)
    found = killed(lake, [died], files, [waiting])
    assert left(lake, found["files"]) == [i for i in range(99, -1, -1) if i not in (2, 80)]
    assert left(lake, found["orphans"]) == [2]
    assert (found["rows"], found["orphan_rows"], found["found"]) == (2, 1, {"3": 3})
    assert found["columns"]["name"]["values"] == {"n0": 2, "w": 1}
    # later more of the same file, and some of another
    later = [
        Died(number=3, path="", dead=dead(lake, "d2", [1, 2, 40, 78]), rows=1),
        Died(number=4, path="", dead=dead(lake, "d3", [49]), rows=1),
    ]
    files = [StoreFile(**f) for f in found["files"]]
    again = killed(lake, later, files, [StoreFile(**f) for f in found["orphans"]])
    gone = (2, 80, 4, 99)
    assert left(lake, again["files"]) == [i for i in range(99, -1, -1) if i not in gone]
    assert (again["rows"], again["found"]) == (2, {"3": 1, "4": 1})
    assert again["columns"]["at"]["values"] == {"4": 1, "99": 1}
    assert again["orphans"] == found["orphans"]


def test_of_dead_rows_that_were_left_out_it_is_known_for_what(lake, tmp_path):
    path = tmp_path / "source.parquet"
    pq.write_table(pa.table({"at": pa.array([1, None, 3, None, 5], pa.int64())}), path)
    table = Table(
        name="t", source=Source(parquet=str(tmp_path)), columns={"at": "integer"}, time="at"
    )
    died = Died(number=3, path=str(path), dead=dead(lake, "d", [0, 1, 2]), rows=3)
    before = LeftOut(without_customer=1, without_time=2)
    # of three one stood in the store, one had no time, so one had no customer
    after = _still_left_out(table, died, before, 1)
    assert after == LeftOut(without_customer=0, without_time=1)
    with pytest.raises(TerminalError, match="that the store never had"):
        _still_left_out(table, died, before, 0)
