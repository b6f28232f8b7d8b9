"""The engine's tasks, called as plain functions over Arrow batches: what a retry or a kill leaves."""

import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.errors import NoSpace
from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile
from muster_core.lake.store import verify
from muster_worker.prepare.interchange import ORDINARY, WITHOUT_CUSTOMER
from muster_worker.prepare.task.numbering import NumberCustomers
from muster_worker.prepare.task.writing import WriteRows


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def customers(*keys):
    return pa.RecordBatch.from_pydict(
        {
            "p": pa.array([3] * (len(keys) + 1), pa.int32()),
            "k": pa.array([None, *keys], pa.string()),
            "h": pa.array([42, *(hash(k) % 2**31 - 2**30 for k in keys)], pa.int64()),
            "c0": pa.array([None, *keys], pa.string()),
            "f": pa.array([None] + [0] * len(keys), pa.int32()),
            # the bare row that every partition gets has no source row
            "r": pa.array([None, *range(len(keys))], pa.int64()),
        }
    )


def number(lake, *keys, before=None):
    task = NumberCustomers(
        lake=lake, directory="s", columns={"id": "text"}, key="id", before=before or {}
    )
    (answer,) = task([customers(*keys)])
    return json.loads(answer.column("result")[0].as_py())


def profile(lake, *keys):
    return StoreFile(**number(lake, *keys)["file"])


def orders(*rows, fate=ORDINARY):
    return pa.RecordBatch.from_pydict(
        {
            "k": pa.array([key for key, _ in rows], pa.string()),
            "x": pa.array([fate] * len(rows), pa.int32()),
            "c0": pa.array([amount for _, amount in rows], pa.int64()),
            "f": pa.array([0] * len(rows), pa.int32()),
            "r": pa.array(range(len(rows)), pa.int64()),
            "p": pa.array([3] * len(rows), pa.int32()),
        }
    )


def writer(lake, file):
    return WriteRows(
        lake=lake,
        directory="s",
        columns={"amount": "integer"},
        time=None,
        key="id",
        profile={3: file},
    )


def written(lake):
    return sorted(p.name for p in (lake.root / "s").iterdir())


def test_a_task_that_is_run_twice_names_two_files_and_each_answer_names_one(lake):
    file = profile(lake, "a", "b")
    batches = [orders(("b", 1), ("a", 2)), orders(("x", 3), ("a", 4))]
    answers = []
    for _ in range(2):
        (answer,) = writer(lake, file)(batches)
        answers.append(json.loads(answer.column("result")[0].as_py()))
    paths = [a["file"]["path"] for a in answers]
    assert paths[0] != paths[1]
    assert answers[0]["file"]["sha256"] == answers[1]["file"]["sha256"]
    for answer in answers:
        verify(lake, StoreFile(**answer["file"]))
        verify(lake, StoreFile(**answer["orphans"]))
    table = pq.read_table(lake.locate(paths[0]))
    assert table.column("_ordinal").to_pylist() == [1, 0, 0]
    assert table.column("amount").to_pylist() == [1, 2, 4]
    orphans = pq.read_table(lake.locate(answers[0]["orphans"]["path"]))
    assert orphans.column("_key").to_pylist() == ["x"]


def test_a_task_that_breaks_off_leaves_no_file_and_no_answer(lake, monkeypatch):
    file = profile(lake, "a")
    before = written(lake)
    monkeypatch.setattr("muster_worker.prepare.task.writing.GROUP_ROWS", 1)

    def broken():
        yield orders(("a", 1), ("x", 1))
        yield orders(("a", 2))
        raise ConnectionError("the engine went away")

    with pytest.raises(ConnectionError):
        list(writer(lake, file)(broken()))
    assert written(lake) == before


def test_rows_of_nobody_are_counted_and_make_no_file(lake):
    file = profile(lake, "a")
    (answer,) = writer(lake, file)([orders((None, 1), (None, 2), fate=WITHOUT_CUSTOMER)])
    found = json.loads(answer.column("result")[0].as_py())
    assert found.pop("columns")["amount"]["rows"] == 0
    assert found == {
        "partition": 3,
        "file": None,
        "orphans": None,
        "duplicates": 0,
        # by number of the source file
        "without_customer": {"0": 2},
        "without_time": {},
    }


def test_an_empty_partition_still_has_its_key_file(lake):
    found = number(lake)
    assert found["keys"] == {"partition": 3, "ordinals": 0, "alive": 0}
    assert found["file"]["rows"] == 0


def test_a_customer_that_comes_back_gets_the_ordinal_it_had(lake):
    first = profile(lake, "b", "d")
    second = StoreFile(**number(lake, "a", "d", before={3: first})["file"])
    third = StoreFile(**number(lake, "b", "c", before={3: second})["file"])
    table = pq.read_table(lake.locate(third.path))
    assert table.column("id").to_pylist() == ["b", "d", "a", "c"]
    assert table.column("_alive").to_pylist() == [True, False, False, True]
    assert table.column("_key_hash").null_count == 0


def test_repeated_and_missing_keys_are_counted_and_nothing_is_written(lake):
    found = number(lake, "a", "a", None, "b", "b", "b")
    assert (found["duplicates"], found["nulls"], found["file"]) == (3, 1, None)
    assert not lake.exists("s")


def test_a_full_disk_is_named_and_leaves_no_file(lake):
    file = profile(lake, "a")
    before = written(lake)
    rows = [("a", i * 7919 % 100_003) for i in range(20_000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(NoSpace, match="No space is left for s/part-00003"):
            list(writer(lake, file)([orders(*rows)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written(lake) == before
