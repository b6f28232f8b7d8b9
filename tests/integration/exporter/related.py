"""The orders of the exporter's world: up to three a customer, the newest of them yet to come."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa

from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW

NOTES = ["=1+1", 'say "x"', "a,b;c"]


def orders_of(ordinal: int, as_of: datetime) -> list[tuple[int, datetime, str]]:
    """Return number, time and note of a customer's orders, newest first."""
    moments = [as_of + timedelta(hours=1 - 2 * place) for place in range(ordinal % 4)]
    return [(ordinal * 10 + place, moment, NOTES[place]) for place, moment in enumerate(moments)]


def orders_table(size: int, as_of: datetime) -> pa.Table:
    """Return the orders of a partition as the store keeps them."""
    rows = [(ordinal, *order) for ordinal in range(size) for order in orders_of(ordinal, as_of)]
    rows.sort(key=lambda row: (row[2], row[1]), reverse=True)
    ordinals, numbers, times, notes = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            ORDINAL: pa.array(ordinals, pa.int32()),
            "customer": pa.array([None] * len(rows), pa.string()),
            "no": pa.array(numbers, pa.int64()),
            "at": pa.array(times, pa.timestamp("us", "UTC")),
            "note": pa.array(notes, pa.string()),
            SOURCE_FILE: pa.array([0] * len(rows), pa.int32()),
            SOURCE_ROW: pa.array(range(len(rows)), pa.int64()),
        }
    )
