"""The demo's shop with what more kinds of rules want: dimensions, a one-to-one table, past values of a column."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

import muster_console.demo
from muster_console.demo.shop import make_shop, write_shop

DEMO = Path(muster_console.demo.__file__).parent
AS_OF = datetime.now(UTC).replace(microsecond=0)
_DAY_US = 86_400_000_000


def write(customers: int, folder: Path) -> dict[str, int]:
    """Write data and catalog below `folder` and return the rows of each table."""
    data = folder / "data"
    shop = make_shop(customers, until=AS_OF)
    rows = write_shop(shop, data)
    rng = np.random.default_rng(7)
    extra = {
        "products": _products(shop.order_lines),
        "places": _places(shop.customers),
        "cards": _cards(shop.customers, rng),
        "tiers": _tiers(shop.customers, rng),
    }
    for name, table in extra.items():
        pq.write_table(table, data / f"{name}.parquet")
        rows[name] = table.num_rows
    (folder / "catalog.yaml").write_text(yaml.safe_dump(_catalog(), sort_keys=False))
    return rows


def _catalog() -> dict[str, Any]:
    catalog: dict[str, Any] = yaml.safe_load((DEMO / "catalog.yaml").read_text())
    note = {"history": {"table": "tiers", "column": "field", "value": "value"}}
    catalog["profile"]["columns"]["tier"] = note
    for name in ("products", "places", "cards", "tiers"):
        catalog["tables"][name] = {"source": {"parquet": f"data/{name}.parquet"}}
    catalog["tables"]["tiers"] |= {"time": "at", "row_key": ["field"]}
    links = {
        "line_product": ("order_lines.product", "products.product", "many_to_one"),
        "lives_in": ("customers.city", "places.city", "many_to_one"),
        "card_of": ("cards.customer_id", "customers.customer_id", "one_to_one"),
        "tier_of": ("tiers.customer_id", "customers.customer_id", "many_to_one"),
    }
    catalog["relationships"] += [
        {"name": name, "from": from_, "to": to, "kind": kind}
        for name, (from_, to, kind) in links.items()
    ]
    return catalog


def _products(lines: Any) -> Any:
    names = pc.unique(lines["product"])
    grades = pa.array([("A", "B", "C")[number % 3] for number in range(len(names))])
    return pa.table({"product": names, "grade": grades})


def _places(customers: Any) -> Any:
    cities = pc.unique(customers["city"].drop_null())
    regions = pa.array([("north", "south")[number % 2] for number in range(len(cities))])
    return pa.table({"city": cities, "region": regions})


def _cards(customers: Any, rng: Any) -> Any:
    keys = customers["customer_id"].filter(pa.array(rng.random(customers.num_rows) < 0.6))
    return pa.table({"customer_id": keys, "level": pa.array(rng.integers(1, 6, len(keys)))})


def _tiers(customers: Any, rng: Any) -> Any:
    """Return two to eight past values of each customer's tier."""
    count = customers.num_rows
    times = rng.integers(2, 9, count)
    owner = np.repeat(np.arange(count), times)
    now = int(AS_OF.timestamp() * 1_000_000)
    at = now - rng.integers(1, 720, len(owner)) * _DAY_US
    values = np.array(["bronze", "silver", "gold"])[rng.integers(0, 3, len(owner))]
    return pa.table(
        {
            "customer_id": customers["customer_id"].take(pa.array(owner)),
            "field": pa.array(np.full(len(owner), "tier")),
            "value": pa.array(values),
            "at": pa.array(at).cast(pa.timestamp("us", "UTC")),
        }
    )
