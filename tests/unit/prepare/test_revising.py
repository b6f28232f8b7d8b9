import json

import numpy as np
import pyarrow as pa
import pytest

from muster_core.lake.bitmap import write_bitmap
from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan
from muster_worker.prepare.task.revising import Held, ReviseFiles, worth_rewriting
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


def revised(lake, files, orphans=(), *, dead=(), most_files=9, unique=False):
    task = ReviseFiles(
        lake=lake,
        directory="s",
        columns=COLUMNS,
        order=Order(time="at"),
        dead=tuple(dead),
        personal=frozenset(),
        most_files=most_files,
        counted=True,
        unique=unique,
        parts=(Held(partition=1, files=tuple(files), orphans=tuple(orphans), customers=9),),
    )
    (answer,) = task([pa.RecordBatch.from_pydict({"id": [0]})])
    return json.loads(answer.column("result")[0].as_py())


def read(lake, files, dead=()):
    scan = RowScan(lake=lake, dead_sources=dead, order=Order(time="at"))
    found = [StoreFile(**f) for f in files]
    return [b for batch in scan.rows(found, ["at", "name"], None) for b in batch.to_pylist()]


def test_many_files_become_few_with_every_row_in_its_place(lake):
    rows = [(i % 3, i, f"n{i % 4}", i % 5, i) for i in range(60, 0, -1)]
    files = [write(lake, table_schema(COLUMNS), rows[n::6]) for n in range(6)]
    found = revised(lake, files, most_files=4)
    assert (len(found["files"]), found["rewritten"]) == (1, 6)
    assert read(lake, found["files"]) == read(lake, [f.model_dump() for f in files])
    assert (found["rows"], found["dead"]) == (60, [])
    assert found["columns"]["name"]["values"] == {"n0": 15, "n1": 15, "n2": 15, "n3": 15}


def test_dead_rows_are_left_until_they_are_too_many(lake):
    rows = [(0, i, "n", i % 10, i) for i in range(50, 0, -1)]
    file = write(lake, table_schema(COLUMNS), rows)
    few = revised(lake, [file], dead=[3])
    assert few["files"] == [file.model_dump()]
    assert (few["rows"], few["dead"], few["columns"]["at"]["rows"]) == (45, [3], 45)
    many = revised(lake, [file], dead=[3, 4, 5])
    assert (many["rows"], many["dead"]) == (35, [])
    assert read(lake, many["files"]) == read(lake, few["files"], dead=[3, 4, 5])


def test_rows_that_are_dead_one_by_one_are_left_until_they_are_too_many(lake):
    def marked(file, dead):
        bitmap = np.isin(np.arange(file.rows), dead)
        path = write_bitmap(lake, "s", bitmap)
        return file.model_copy(update={"dead": path, "dead_rows": int(bitmap.sum())})

    rows = [(0, i, "n", i % 10, i) for i in range(50, 0, -1)]
    file = write(lake, table_schema(COLUMNS), rows)
    few = revised(lake, [marked(file, range(5))], dead=[3])
    assert (len(few["files"]), few["files"][0]["dead_rows"], few["rewritten"]) == (1, 5, 0)
    assert (few["rows"], few["columns"]["at"]["rows"]) == (40, 40)
    many = revised(lake, [marked(file, range(8))], dead=[3])
    assert (many["rows"], many["files"][0]["dead"], many["dead"]) == (38, None, [])
    assert read(lake, many["files"]) == read(lake, few["files"], dead=[3])[2:]
    waiting = write(lake, orphan_schema(COLUMNS), [("x", 2, "n", 1, 1), ("y", 1, "m", 2, 1)])
    found = revised(lake, [], [marked(waiting, [0])])
    assert (found["orphan_rows"], found["orphans"][0]["rows"]) == (1, 1)


def test_waiting_rows_of_dead_sources_go_at_once(lake):
    waiting = write(lake, orphan_schema(COLUMNS), [("x", 2, "n", 1, 1), (None, 1, "m", 2, 1)])
    more = write(lake, orphan_schema(COLUMNS), [("y", 3, "n", 1, 2)])
    found = revised(lake, [], [waiting, more], dead=[2])
    assert (found["rows"], found["orphan_rows"], len(found["orphans"])) == (2, 2, 1)
    gone = revised(lake, [], [waiting], dead=[1, 2])
    assert (gone["rows"], gone["orphans"]) == (0, [])


def test_a_customer_with_rows_in_two_files_is_counted_where_one_is_allowed(lake):
    files = [write(lake, table_schema(COLUMNS), [(4, i, "n", i, 0)]) for i in (1, 2)]
    assert revised(lake, files, unique=True)["duplicates"] == 1
    assert revised(lake, files, dead=[1], unique=True)["duplicates"] == 0


def test_small_increments_rewrite_a_row_few_times():
    files, rewritten = [], 0
    for day in range(1_000):
        files.append(StoreFile(path=str(day), partition=0, rows=100, size=1, sha256=""))
        old = worth_rewriting(files, {}, 16)
        if old:
            rows = sum(f.rows for f in old)
            rewritten += rows
            files = [f for f in files if f not in old]
            files.append(StoreFile(path=f"m{day}", partition=0, rows=rows, size=1, sha256=""))
        assert len(files) <= 16
    assert rewritten / 100_000 < 8
