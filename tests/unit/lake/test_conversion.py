from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from muster_core.catalog.type import parse_type
from muster_core.lake.conversion import arrow_type, column_type, convert, wider_type


@pytest.mark.parametrize(
    ("arrow", "text"),
    [
        (pa.string(), "text"),
        (pa.large_string(), "text"),
        (pa.dictionary(pa.int8(), pa.string()), "text"),
        (pa.int8(), "integer"),
        (pa.uint32(), "integer"),
        (pa.float32(), "float"),
        (pa.bool_(), "boolean"),
        (pa.decimal128(10, 2), "decimal(10,2)"),
        (pa.date64(), "date"),
        (pa.timestamp("ns"), "timestamp"),
        (pa.timestamp("s", "Europe/Berlin"), "timestamp"),
        (pa.list_(pa.large_string()), "array<text>"),
        (pa.list_(pa.decimal128(5, 1)), "array<decimal(5,1)>"),
    ],
)
def test_source_types_have_a_catalog_type(arrow, text):
    assert str(column_type(arrow)) == text


@pytest.mark.parametrize(
    "arrow",
    [
        pa.binary(),
        pa.time32("s"),
        pa.duration("s"),
        pa.struct([("a", pa.int8())]),
        pa.map_(pa.string(), pa.string()),
        pa.list_(pa.list_(pa.int8())),
        pa.decimal256(50, 2),
    ],
)
def test_other_types_have_none(arrow):
    assert column_type(arrow) is None


def converted(array, text, zone="UTC"):
    result = convert(array, parse_type(text), zone)
    assert result.type == arrow_type(parse_type(text))
    return result.to_pylist()


def test_values_keep_their_meaning():
    assert converted(pa.array([1, None], pa.int8()), "integer") == [1, None]
    assert converted(pa.array([1.5, None], pa.float32()), "float") == [1.5, None]
    assert converted(pa.array(["a", None]).dictionary_encode(), "text") == ["a", None]
    assert converted(pa.array([Decimal("1.20")], pa.decimal128(10, 2)), "decimal(12,3)") == [
        Decimal("1.200")
    ]
    assert converted(pa.array([[1, None], None, []], pa.list_(pa.int8())), "array<integer>") == [
        [1, None],
        None,
        [],
    ]


def test_a_slice_of_lists_keeps_its_rows():
    lists = pa.array([[1], None, [2, 3], [4]], pa.list_(pa.int16()))
    assert converted(lists[1:3], "array<integer>") == [None, [2, 3]]


def test_an_unsigned_integer_beyond_int64_is_refused():
    with pytest.raises(pa.ArrowInvalid):
        converted(pa.array([2**63], pa.uint64()), "integer")


def test_times_finer_than_microseconds_are_floored_before_and_after_1970():
    nanos = pa.array([1_999, -1, None], pa.timestamp("ns"))
    assert converted(nanos, "timestamp") == [
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        None,
    ]


def test_times_with_a_zone_are_instants_whatever_the_table_says():
    stamped = pa.array([datetime(2026, 7, 1, 12)], pa.timestamp("s", "America/New_York"))
    assert converted(stamped, "timestamp", "Asia/Tokyo") == [datetime(2026, 7, 1, 12, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2026, 1, 15, 12), datetime(2026, 1, 15, 11, tzinfo=UTC)),
        # the gap from 02:00 to 03:00: moves on by the gap, to 03:30 local
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 3, 29, 2, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (datetime(2026, 3, 29, 3, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        # 02:30 happens twice: the first
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_times_without_zone_are_read_in_the_tables_zone(local, utc):
    array = pa.array([local, None], pa.timestamp("us"))
    assert converted(array, "timestamp", "Europe/Berlin") == [utc, None]


def test_dates_are_days():
    assert converted(pa.array([date(2026, 1, 2)], pa.date64()), "date") == [date(2026, 1, 2)]


def test_decimals_widen_and_other_types_do_not():
    assert str(wider_type(parse_type("decimal(10,2)"), parse_type("decimal(9,4)"))) == (
        "decimal(12,4)"
    )
    assert wider_type(parse_type("integer"), parse_type("float")) is None
    assert wider_type(parse_type("decimal(38,0)"), parse_type("decimal(38,10)")) is None
