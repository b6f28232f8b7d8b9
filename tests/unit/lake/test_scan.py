"""Reading the files of one partition: merged where their times overlap, one after the other where not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.errors import StoreDamaged
from muster_core.lake.bitmap import write_bitmap
from muster_core.lake.dimension import read_dimension
from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = Order(time="at", row_key=("number",))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def put(lake, name, hours, *, source=0, dead=None, days=False):
    """Write rows of these hours after START, newest first; the number of a row is its hour modulo 3."""
    hours = sorted(hours, reverse=True)
    times = [START + timedelta(hours=h) for h in hours]
    table = pa.table(
        {
            "_ordinal": pa.array([0] * len(hours), pa.int32()),
            "at": pa.array([t.date() for t in times]) if days else pa.array(times),
            "number": pa.array([h % 3 for h in hours], pa.int64()),
            "hour": pa.array(hours, pa.int64()),
            "word": [f"w{h}" for h in hours],
            "_source_file": pa.array([source] * len(hours), pa.int32()),
            "_source_row": pa.array(hours, pa.int64()),
        }
    )
    with lake.open_output(name) as output:
        pq.write_table(table, pa.PythonFile(output, mode="w"), row_group_size=10)
    return StoreFile(
        path=name, partition=0, rows=len(hours), size=output.size, sha256=output.sha256, dead=dead
    )


def read(lake, files, *, order=ORDER, oldest=None, dead_sources=(), column="hour"):
    scan = RowScan(lake=lake, dead_sources=dead_sources, order=order)
    batches = list(scan.rows(files, [column], oldest))
    assert all(batch.schema.names == ["_ordinal", column] for batch in batches)
    return [value for batch in batches for value in batch.column(1).to_pylist()]


def test_files_whose_times_overlap_are_merged_and_the_others_follow_each_other(lake):
    files = [
        put(lake, "old", range(20)),
        put(lake, "even", range(30, 80, 2), source=1),
        put(lake, "odd", range(41, 100, 2), source=2),
        put(lake, "new", range(120, 130), source=3),
    ]
    expected = sorted([*range(20), *range(30, 80, 2), *range(41, 100, 2), *range(120, 130)])
    assert read(lake, files) == expected[::-1]
    assert read(lake, files, column="word") == [f"w{h}" for h in expected[::-1]]
    scan = RowScan(lake=lake, dead_sources=(), order=ORDER)
    groups = [[f.path for f in group] for group in scan._groups(files)]
    assert groups == [["new"], ["odd", "even"], ["old"]]


def test_times_that_meet_in_one_instant_are_ordered_by_row_key_file_and_row(lake):
    day = Order(time="at", row_key=("number",))
    files = [
        put(lake, "a", [1, 2, 3, 4], source=5, days=True),
        put(lake, "b", [5, 6, 30], source=4, days=True),
    ]
    # one day holds them all but 30: number 2 first, then 1, then 0; then the file; then the row
    assert read(lake, files, order=day) == [30, 2, 5, 4, 1, 3, 6]
    assert read(lake, files, order=Order(time="at")) == [30, 4, 3, 2, 1, 6, 5]


def test_dead_rows_and_sources_stay_out_of_a_merge(lake):
    bitmap = np.zeros(25, dtype=np.bool_)
    bitmap[[0, 24]] = True
    gone = write_bitmap(lake, "s", bitmap)
    files = [
        put(lake, "even", range(0, 50, 2), source=1, dead=gone),
        put(lake, "odd", range(1, 50, 2), source=2),
        put(lake, "dead", range(10, 40), source=3),
    ]
    assert read(lake, files, dead_sources=[3]) == [h for h in range(49, 0, -1) if h != 48]


def test_old_row_groups_of_every_file_of_a_merge_stay_unread(lake):
    files = [put(lake, "even", range(0, 100, 2), source=1), put(lake, "odd", range(1, 100, 2))]
    found = read(lake, files, oldest=START + timedelta(hours=71))
    assert found == sorted(found, reverse=True)
    assert set(range(71, 100)) <= set(found)
    assert len(found) <= 40


def test_days_leave_old_row_groups_unread_too(lake):
    file = put(lake, "days", range(0, 960, 24), days=True)
    # the third group's newest day counts as its midnight: at noon it is over
    assert read(lake, [file], oldest=datetime(2026, 1, 20, tzinfo=UTC)) == list(
        range(936, 216, -24)
    )
    noon = datetime(2026, 1, 20, 12, tzinfo=UTC)
    assert read(lake, [file], oldest=noon) == list(range(936, 456, -24))


def test_files_of_a_table_without_time_are_merged_by_row_key(lake):
    files = [put(lake, "a", [3, 4], source=1), put(lake, "b", [1, 2, 0], source=2)]
    assert read(lake, files, order=Order(row_key=("number",))) == [2, 1, 4, 0, 3]


def test_damaged_pages_are_named_as_damage(lake):
    file = put(lake, "a", range(1000))
    path = lake.locate("a")
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="The file a cannot be read"):
        read(lake, [file])
    with pytest.raises(StoreDamaged, match="The file a cannot be read"):
        read_dimension(lake, file, "hour")
