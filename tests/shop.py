"""A small seeded shop in Parquet files, with a catalog and segments whose answers a test can work out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Every order happened in the thousand days before this instant.
LAST_ORDER = datetime(2026, 6, 1, tzinfo=UTC)
COUNTRIES = ("GB", "DE", "FR", "NL")

CATALOG = """
version: 1
profile:
  table: customers
  source: {parquet: customers.parquet}
  key: customer_id
tables:
  orders:
    source: {parquet: orders}
    row_key: [order_id]
    time: ordered_at
relationships:
  - {name: order_customer, from: orders.customer_id, to: customers.customer_id}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Where the shop's files are."""

    folder: Path
    customers: int

    @property
    def catalog(self) -> Path:
        """The catalog file."""
        return self.folder / "catalog.yaml"

    def frame(self, table: str) -> Any:
        """Return a table as the files hold it."""
        path = "customers.parquet" if table == "customers" else "orders"
        return pq.read_table(self.folder / path)


def write_shop(folder: Path, *, customers: int, orders: int, seed: int = 7) -> Shop:
    """Write the shop below `folder`; equal arguments give equal files."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    keys = np.array([f"C{number:07d}" for number in range(customers)])
    profile = pa.table(
        {
            "customer_id": keys,
            "country": random.choice(COUNTRIES, customers, p=[0.5, 0.25, 0.15, 0.1]),
            "age": pa.array(
                random.integers(18, 90, customers), mask=random.random(customers) < 0.1
            ),
        }
    )
    pq.write_table(profile, folder / "customers.parquet")
    add_orders(folder, keys, orders, first=0, random=random)
    (folder / "catalog.yaml").write_text(CATALOG)
    return Shop(folder=folder, customers=customers)


def add_orders(
    folder: Path,
    keys: Any,
    orders: int,
    *,
    first: int,
    random: np.random.Generator,
) -> None:
    """Add a file of orders numbered from `first`, by customers drawn from `keys`."""
    (folder / "orders").mkdir(exist_ok=True)
    minutes = random.integers(0, 1000 * 24 * 60, orders)
    cents = random.integers(100, 20_000, orders)
    table = pa.table(
        {
            "order_id": np.arange(first, first + orders),
            "customer_id": random.choice(keys, orders),
            "ordered_at": pa.array(
                [LAST_ORDER - timedelta(minutes=int(m)) for m in minutes], pa.timestamp("us", "UTC")
            ),
            "amount": pa.array([Decimal(int(c)) / 100 for c in cents], pa.decimal128(12, 2)),
            "channel": random.choice(["web", "shop", "app"], orders),
        }
    )
    pq.write_table(table, folder / "orders" / f"part-{first:09d}.parquet")


def segment(name: str, where: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a segment document with one rule."""
    return {"name": name, "rules": [{"where": where}], **fields}


def in_country(country: str) -> dict[str, Any]:
    """Return the condition that holds for customers of `country`."""
    return {"kind": "attribute", "column": "country", "compare": "eq", "value": country}


def ordered(count: int, *, within: str | None = None, channel: str | None = None) -> dict[str, Any]:
    """Return the condition that holds for customers with at least `count` such orders."""
    condition: dict[str, Any] = {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "count", "column": None},
        "compare": "gte",
        "value": count,
    }
    if within is not None:
        condition["window"] = {"last": within}
    if channel is not None:
        condition["where"] = {
            "kind": "attribute",
            "column": "channel",
            "compare": "eq",
            "value": channel,
        }
    return condition


def spent(amount: str) -> dict[str, Any]:
    """Return the condition that holds for customers whose orders sum to at least `amount`."""
    return {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "sum", "column": "amount"},
        "compare": "gte",
        "value": amount,
    }


def many_segments(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return `count` different segments named ``s000``, ``s001`` and so on."""
    return [
        segment(
            f"s{number:03d}",
            {
                "kind": "all",
                "of": [in_country(COUNTRIES[number % 4]), ordered(1 + number // 4 % 25)],
            },
            **fields,
        )
        for number in range(count)
    ]
