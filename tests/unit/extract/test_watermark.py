"""From which watermark on rows are read again."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest

from muster_core.extract.document import PostgresSource
from muster_core.extract.type import SourceColumn
from muster_worker.extract.watermark import capped, late_condition

NOW = datetime(2026, 3, 1, 12)
MICROSECONDS = 1_000_000


def column(arrow: object) -> SourceColumn:
    return SourceColumn(name='at "x"', expression="ignored", arrow=arrow)


def declare(overlap: object = None) -> PostgresSource:
    return PostgresSource.model_validate(
        {"connection": "SHOP", "table": "t", "watermark": "at", "overlap": overlap}
    )


@pytest.mark.parametrize(
    ("arrow", "watermark", "overlap", "bound"),
    [
        (pa.int64(), 20_000, None, "10000"),
        (pa.int64(), 20_000, 0, "20000"),
        (pa.date32(), 31, "36 hours", "'1970-01-30'::date"),
        (pa.date32(), 31, None, "'1970-01-31'::date"),
        (pa.timestamp("us"), 86_400 * MICROSECONDS, "1 day", "'1970-01-01T00:00:00'::timestamp"),
        (pa.timestamp("us", "UTC"), 7_200_000_001, None, "'1970-01-01T01:00:00.000001+00:00'::timestamptz"),
    ],
)  # fmt: skip
def test_rows_are_read_again_from_the_overlap_on(
    arrow: object, watermark: int, overlap: object, bound: str
) -> None:
    name = 'q."at ""x"""'
    found = late_condition(declare(overlap), column(arrow), watermark)
    assert found == f"({name} >= {bound} OR {name} IS NULL)"


def test_a_watermark_nobody_can_write_gives_no_condition() -> None:
    assert late_condition(declare(), column(pa.timestamp("us")), -(10**17)) is None


def test_a_watermark_is_never_ahead_of_the_clock() -> None:
    future = 10**17
    utc, local, day = pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32()
    at = int(NOW.timestamp() - datetime(1970, 1, 1).timestamp()) * MICROSECONDS
    assert capped(future, column(utc), NOW) == at
    # a clock without zone may be that of the zone farthest ahead
    assert capped(future, column(local), NOW) == at + 14 * 3_600 * MICROSECONDS
    assert capped(10**6, column(day), NOW) == (datetime(2026, 3, 2) - datetime(1970, 1, 1)).days
    assert capped(future, column(pa.int64()), NOW) == future
    assert capped(None, column(utc), NOW) is None
    assert capped(5, column(utc), NOW) == 5
