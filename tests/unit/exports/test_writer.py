from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.exports.document import Format
from muster_core.exports.writer import GROUP_ROWS, RowFeed, write_file

SCHEMA = pa.schema([("id", pa.string()), ("n", pa.int64())])


def batches(rows: int, size: int) -> Any:
    table = pa.table({"id": [f"C{i}" for i in range(rows)], "n": range(rows)}, SCHEMA)
    return table.to_batches(max_chunksize=size)


def written(rows: int, size: int, form: Format, skip: int = 0) -> bytes:
    output = io.BytesIO()
    feed = RowFeed(batch.slice(0) for batch in batches(rows, size))
    for _ in feed.read(skip):
        pass
    write_file(output, SCHEMA, feed.read(), form=form)
    return output.getvalue()


@pytest.mark.parametrize("form", list(Format))
def test_bytes_do_not_depend_on_how_the_rows_come_in(form):
    rows = GROUP_ROWS + 1000

    assert len({written(rows, size, form) for size in (777, 10_000, rows)}) == 1


def test_a_gzip_file_names_neither_time_nor_file():
    data = written(3, 3, Format.CSV_GZ)

    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00" + data[8:10]
    assert gzip.decompress(data) == written(3, 3, Format.CSV)


@pytest.mark.parametrize("form", list(Format))
def test_no_rows_are_a_file_with_columns(form):
    output = io.BytesIO()

    assert write_file(output, SCHEMA, [], form=form) == 0
    if form is Format.PARQUET:
        assert pq.read_schema(io.BytesIO(output.getvalue())) == SCHEMA
    elif form is Format.CSV:
        assert output.getvalue() == b'"id","n"\n'


def test_parquet_reads_back_as_it_was():
    data = written(1000, 64, Format.PARQUET)

    assert pq.read_table(io.BytesIO(data)).equals(pa.Table.from_batches(batches(1000, 1000)))


def test_a_feed_hands_out_exact_numbers():
    feed = RowFeed(batches(10, 3))

    assert [sum(t.num_rows for t in feed.read(n)) for n in (4, 4, 4)] == [4, 4, 2]


def test_csv_ends_its_lines_with_line_feeds_alone():
    assert b"\r" not in written(5, 5, Format.CSV)


class FullDisk(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        raise OSError(28, "full")


@pytest.mark.parametrize("form", list(Format))
def test_an_error_of_the_output_comes_through_as_itself(form):
    with pytest.raises(OSError, match="full") as caught:
        write_file(FullDisk(), SCHEMA, [pa.Table.from_batches(batches(9, 9))], form=form)

    assert caught.value.errno == 28


def test_json_lines_hold_every_value_and_one_row_each():
    rows: list[dict[str, Any]] = [
        {
            "id": 'a"\\\n\u2028=1',
            "n": None,
            "d": Decimal("1.10"),
            "x": float("nan"),
            "t": ["b", None],
        },
        {"id": "", "n": -5, "d": None, "x": 0.5, "t": []},
        {"id": None, "n": 2**60, "d": Decimal("0.00"), "x": None, "t": None},
    ]
    kinds = [
        ("id", pa.string()),
        ("n", pa.int64()),
        ("d", pa.decimal128(12, 2)),
        ("x", pa.float64()),
        ("t", pa.list_(pa.string())),
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema(kinds))
    output = io.BytesIO()

    assert write_file(output, table.schema, [table], form=Format.JSONL) == 3

    found = [json.loads(line, parse_float=Decimal) for line in output.getvalue().split(b"\n")[:-1]]

    assert found == [
        {**rows[0], "x": None},
        {**rows[1], "x": Decimal("0.5")},
        rows[2],
    ]
    assert list(found[0]) == ["id", "n", "d", "x", "t"]


def test_parquet_tries_a_dictionary_only_where_values_repeat():
    schema = pa.schema([("id", pa.string()), ("tier", pa.string()), ("tags", pa.list_(pa.int64()))])
    rows = GROUP_ROWS + 1000
    columns = [[f"C{i}" for i in range(rows)], ["gold", "silver"] * (rows // 2), [[1]] * rows]
    table = pa.table(columns, schema)
    output = io.BytesIO()

    write_file(output, schema, RowFeed(table.to_batches()).read(), form=Format.PARQUET)

    group = pq.ParquetFile(io.BytesIO(output.getvalue())).metadata.row_group(1)
    coded = {
        group.column(n).path_in_schema: "RLE_DICTIONARY" in group.column(n).encodings
        for n in range(group.num_columns)
    }
    assert coded == {"id": False, "tier": True, "tags.list.element": True}
    assert pq.read_table(io.BytesIO(output.getvalue())) == table
