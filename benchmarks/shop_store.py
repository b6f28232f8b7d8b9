"""The demo shop as one prepared partition in memory: what preparing would have made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muster_core.kernel.source import ArrowPartition


def prepared(data: Path) -> ArrowPartition:
    """Read the shop's Parquet files into a partition: ordinals for keys, rows newest first."""
    customers = pq.read_table(data / "customers.parquet").sort_by("customer_id")
    keys = customers["customer_id"].combine_chunks()
    orders = _newest_first(pq.read_table(data / "orders"), "ordered_at")
    lines = _newest_first(pq.read_table(data / "order_lines"), "ordered_at")
    place = pc.index_in(lines["order_id"], value_set=orders["order_id"].combine_chunks())
    for column in ("customer_id", "status", "channel"):
        lines = lines.append_column(f"orders.{column}", orders[column].take(place))
    activities = _newest_first(pq.read_table(data / "activities"), "at")
    return ArrowPartition(
        customers=customers,
        tables={
            "orders": _numbered(orders, "customer_id", keys),
            "order_lines": _numbered(lines, "orders.customer_id", keys),
            "activities": _numbered(activities, "customer_id", keys),
        },
        live=np.ones(customers.num_rows, dtype=np.bool_),
        earlier={},
    )


def _newest_first(table: Any, time: str) -> Any:
    return table.sort_by([(time, "descending")])


def _numbered(table: Any, key: str, keys: Any) -> Any:
    ordinal = pc.index_in(table[key], value_set=keys).cast(pa.int32())
    columns = {"_ordinal": ordinal}
    for name in table.column_names:
        column = table[name].combine_chunks()
        text = pa.types.is_string(column.type)
        columns[name] = column.dictionary_encode() if text else column
    return pa.table(columns)
