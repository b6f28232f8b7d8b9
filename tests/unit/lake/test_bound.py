"""Row groups that may hold a key, by what footers tell."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.type import parse_type
from muster_core.lake.bound import KeyBounds
from muster_core.lake.manifest import SourceFile


def written(tmp_path, values, kind, **options):
    path = tmp_path / "keys.parquet"
    pq.write_table(pa.table({"id": pa.array(values, kind)}), path, row_group_size=2, **options)
    return SourceFile(number=7, path=str(path), size=path.stat().st_size, etag="1")


def found(file, kind, *keys):
    runs = KeyBounds("id", parse_type(kind), keys).runs([file])
    return [(run.groups, run.first, run.rows) for run in runs]


def test_groups_that_may_hold_a_key_come_in_runs_with_the_place_of_their_first_row(tmp_path):
    file = written(tmp_path, [1, 2, 3, 4, 5, 6, 7, 8, 9], pa.int64())
    assert found(file, "integer", "2", "3", "8", "9") == [((0, 1), 0, 4), ((3, 4), 6, 3)]
    assert found(file, "integer", "0", "10") == []
    assert found(file, "integer") == []


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.int32()])
def test_integers_of_every_width_are_compared_as_numbers(tmp_path, kind):
    file = written(tmp_path, [8, 9, 10, 100], kind)
    assert found(file, "integer", "11") == [((1,), 2, 2)]


def test_texts_are_compared_as_their_bytes(tmp_path):
    # in UTF-16 the order of the last two would be the other one
    file = written(tmp_path, ["a", "é", "\uff5e", "\U0001f600"], pa.string())
    assert found(file, "text", "b") == [((0,), 0, 2)]
    assert found(file, "text", "\uffff") == [((1,), 2, 2)]
    dictionary = written(tmp_path, ["a", "b", "y", "z"], pa.dictionary(pa.int32(), pa.string()))
    assert found(dictionary, "text", "x") == []


def test_where_a_footer_does_not_tell_every_group_may_hold_the_key(tmp_path):
    everything = [((0, 1), 0, 4)]
    silent = written(tmp_path, [1, 2, 3, 4], pa.int64(), write_statistics=False)
    assert found(silent, "integer", "9") == everything
    null = written(tmp_path, [None, None, 3, 4], pa.int64())
    assert found(null, "integer", "9") == [((0,), 0, 2)]
    # a key that is a folder's name stands in no footer, other types are not compared
    folder = KeyBounds("other", parse_type("text"), ["x"]).runs([null])
    assert [run.groups for run in folder] == [(0, 1)]
    dates = written(tmp_path, [1, 2, 3, 4], pa.date32())
    assert found(dates, "date", "2026-01-01") == everything
