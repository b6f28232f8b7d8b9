from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Source
from muster_core.errors import SourceMissing, SourceUnreadable, TerminalError
from muster_core.lake.source import SourceReader, list_source, read_layout


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def layout_of(source):
    return read_layout(source, list_source(source))


def read_all(source, **columns):
    reader = SourceReader(source=source, columns=columns)
    return [row for f in list_source(source) for b in reader.read(f.path) for row in b.to_pylist()]


def test_a_folder_is_read_in_path_order_without_hidden_names(tmp_path):
    write(tmp_path / "b.parquet", a=[3])
    write(tmp_path / "a" / "z.parquet", a=[1, 2])
    write(tmp_path / "_temporary" / "x.parquet", a=[9])
    write(tmp_path / ".hidden.parquet", a=[9])
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "notes.txt").touch()
    source = Source(parquet=str(tmp_path))
    files = list_source(source)
    assert [f.path.removeprefix(str(tmp_path)) for f in files] == ["/a/z.parquet", "/b.parquet"]
    assert [f.number for f in files] == [0, 1]
    assert layout_of(source).rows == 3
    assert read_all(source, a="integer") == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_folders_with_equals_signs_become_columns(tmp_path):
    write(tmp_path / "day=2026-01-01" / "shop=7" / "city=S%C3%A3o" / "x.parquet", a=[1])
    write(
        tmp_path / "day=2026-01-02" / "shop=__HIVE_DEFAULT_PARTITION__" / "city=B" / "x.parquet",
        a=[2],
    )
    source = Source(parquet=str(tmp_path))
    found = {name: str(kind) for name, kind in layout_of(source).columns.items()}
    assert found == {"a": "integer", "day": "date", "shop": "integer", "city": "text"}
    assert read_all(source, **found) == [
        {"a": 1, "day": date(2026, 1, 1), "shop": 7, "city": "São"},
        {"a": 2, "day": date(2026, 1, 2), "shop": None, "city": "B"},
    ]


def test_a_column_some_files_lack_is_null_there(tmp_path):
    write(tmp_path / "1.parquet", a=[1])
    write(tmp_path / "2.parquet", a=[2], b=["x"])
    source = Source(parquet=str(tmp_path))
    assert read_all(source, a="integer", b="text") == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_files_that_disagree_about_a_type_are_refused_by_name(tmp_path):
    write(tmp_path / "1.parquet", a=[1])
    write(tmp_path / "2.parquet", a=["x"])
    with pytest.raises(SourceUnreadable, match=r"2\.parquet has column a as text.*integer"):
        layout_of(Source(parquet=str(tmp_path)))


def test_a_missing_source_and_an_empty_folder_are_told_apart(tmp_path):
    with pytest.raises(SourceMissing, match="does not exist"):
        list_source(Source(parquet=str(tmp_path / "gone")))
    with pytest.raises(SourceMissing, match=r"holds no \.parquet file"):
        list_source(Source(parquet=str(tmp_path)))
    with pytest.raises(TerminalError, match="not supported"):
        list_source(Source(parquet="gs://bucket/x"))


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(SourceUnreadable, match=r"x\.parquet is not readable Parquet"):
        layout_of(Source(parquet=str(tmp_path)))


def test_a_damaged_page_names_the_file(tmp_path):
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(50_000))}), file, compression="zstd")
    data = bytearray(file.read_bytes())
    data[500:40_000] = bytes(39_500)
    file.write_bytes(bytes(data))
    with pytest.raises(SourceUnreadable, match=r"x\.parquet is damaged"):
        read_all(Source(parquet=str(file)), a="integer")


def test_a_value_that_does_not_fit_is_not_quoted(tmp_path):
    write(tmp_path / "x.parquet", a=pa.array([2**63 + 5], pa.uint64()))
    with pytest.raises(SourceUnreadable, match="a value in column a") as caught:
        read_all(Source(parquet=str(tmp_path)), a="integer")
    assert str(2**63 + 5) not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_number_above_int64_names_file_table_column_and_what_to_do(tmp_path):
    table = pa.table({"a": pa.array([2**63], pa.uint64())})
    pq.write_table(table, tmp_path / "x.parquet", write_statistics=False)
    source = Source(parquet=str(tmp_path))
    reader = SourceReader(source=source, columns={"a": "integer"}, table="orders")
    with pytest.raises(SourceUnreadable, match=r"x\.parquet of orders has .* column a") as refused:
        list(reader.read(str(tmp_path / "x.parquet")))
    assert "decimal(20,0)" in (refused.value.hint or "")
    assert str(2**63) not in str(refused.value)
