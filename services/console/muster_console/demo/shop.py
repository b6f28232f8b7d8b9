"""A believable shop made from a seed: customers, two years of orders, order lines and activities.

Everything is drawn with NumPy in whole columns, so a million customers take seconds.
A few customers do most of the buying, some never buy, some left long ago, and some values are missing,
because that is what real data looks like and what segments have to cope with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from muster_console.demo import vocabulary as words

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

HISTORY = timedelta(days=730)
_DAY_US = 86_400_000_000
_MONEY = pa.decimal128(12, 2)
_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The four tables of the shop, in memory."""

    customers: pa.Table
    orders: pa.Table
    order_lines: pa.Table
    activities: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    """What the shop knows of each customer's habits before anything is bought; times in microseconds."""

    joined: Integers
    gone: Integers
    appetite: Floats
    favourite: Integers
    returns: Floats
    opted_in: NDArray[np.bool_]


def make_shop(customers: int, *, until: datetime, seed: int = 42) -> Shop:
    """Return a shop of so many customers with two years of history up to `until`."""
    rng = np.random.default_rng(seed)
    end = int(until.timestamp() * 1_000_000)
    people = _people(rng, customers, end)
    orders, lines = _orders(rng, people, end)
    return Shop(
        customers=_customers(rng, people, end),
        orders=orders,
        order_lines=lines,
        activities=_activities(rng, people, end),
    )


def write_shop(shop: Shop, folder: Path) -> dict[str, int]:
    """Write the shop as Parquet below `folder` and return the rows of each table.

    Customers are one file; the other tables are folders of several files, the oldest rows first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(shop.customers, folder / "customers.parquet")
    related = {
        "orders": shop.orders,
        "order_lines": shop.order_lines,
        "activities": shop.activities,
    }
    for name, table in related.items():
        _write_parts(table, folder / name)
    return {"customers": shop.customers.num_rows} | {n: t.num_rows for n, t in related.items()}


def _write_parts(table: pa.Table, folder: Path, parts: int = 4) -> None:
    folder.mkdir(exist_ok=True)
    edges = np.linspace(0, table.num_rows, parts + 1).astype(int)
    for number, (start, stop) in enumerate(pairwise(edges)):
        pq.write_table(table.slice(start, stop - start), folder / f"part-{number}.parquet")


def _people(rng: np.random.Generator, count: int, end: int) -> _People:
    history = HISTORY.days * _DAY_US
    joined = end - (rng.beta(1.0, 1.6, count) * 2 * history).astype(np.int64)
    left = rng.random(count) < 0.35
    stay = (rng.beta(1.2, 1.8, count) * (end - joined)).astype(np.int64)
    appetite = rng.lognormal(0.0, 1.1, count)
    appetite[rng.random(count) < 0.18] = 0.0
    return _People(
        joined=joined,
        gone=np.where(left, joined + stay, end),
        appetite=appetite,
        favourite=rng.choice(len(words.CATEGORIES), count, p=words.shares(words.CATEGORIES)),
        returns=np.where(rng.random(count) < 0.05, 0.4, 0.05),
        opted_in=rng.random(count) < 0.58,
    )


def _customers(rng: np.random.Generator, people: _People, end: int) -> pa.Table:
    count = len(people.joined)
    country = rng.choice(len(words.COUNTRIES), count, p=words.shares(words.COUNTRIES))
    cities = np.array(list(words.CITIES.values()))
    city = cities[country, rng.integers(0, cities.shape[1], count)]
    first = np.array(words.FIRST_NAMES)[rng.integers(0, len(words.FIRST_NAMES), count)]
    last = np.array(words.LAST_NAMES)[rng.integers(0, len(words.LAST_NAMES), count)]
    born = end // _DAY_US - (18 + rng.beta(1.6, 2.6, count) * 70) * 365.25
    tier = np.array(words.TIERS)[np.digitize(people.appetite, [1.5, 3.0, 6.0])]
    numbers = pa.array(np.arange(1, count + 1))
    email = pc.binary_join_element_wise(
        pc.utf8_lower(pa.array(first)),
        ".",
        pc.utf8_lower(pa.array(last)),
        numbers.cast("string"),
        "",
    )
    missing = _Missing(rng, count)
    return pa.table(
        {
            "customer_id": _keys(np.arange(count)),
            "first_name": missing(pa.array(first), 0.02),
            "last_name": pa.array(last),
            "email": missing(pc.binary_join_element_wise(email, "example.com", "@"), 0.08),
            "country": missing(pa.array(np.array(list(words.COUNTRIES))[country]), 0.01),
            "city": missing(pa.array(city), 0.04),
            "birth_date": missing(_dates(born.astype(np.int64)), 0.15),
            "signed_up_on": _dates(people.joined // _DAY_US),
            "opted_in": missing(pa.array(people.opted_in), 0.03),
            "tier": missing(pa.array(tier), 0.3),
        }
    )


def _orders(rng: np.random.Generator, people: _People, end: int) -> tuple[pa.Table, pa.Table]:
    buyer, at = _events(rng, people, end, mean=2.6)
    count = len(buyer)
    per_order = 1 + rng.poisson(1.1, count)
    order = np.repeat(np.arange(count), per_order)
    product = _chosen_products(rng, people.favourite[buyer[order]])
    price = words.product_prices()[product]
    quantity = np.minimum(1 + rng.geometric(0.75, len(order)) - 1, 12)
    amount = price * quantity
    total = np.bincount(order, weights=amount, minlength=count).astype(np.int64)
    first_line = np.cumsum(per_order) - per_order
    instants = _instants(at)
    orders = pa.table(
        {
            "order_id": pa.array(np.arange(1, count + 1)),
            "customer_id": _keys(buyer),
            "ordered_at": instants,
            "status": pa.array(_status(rng, people.returns[buyer], at, end)),
            "channel": pa.array(rng.choice(["web", "app", "store"], count, p=[0.55, 0.3, 0.15])),
            "total": _money(total),
        }
    )
    lines = pa.table(
        {
            "order_id": pa.array(order + 1),
            "line_no": pa.array(np.arange(len(order)) - first_line[order] + 1),
            "ordered_at": instants.take(pa.array(order)),
            "product": pa.array(words.product_names()).take(pa.array(product)),
            "category": pa.array(list(words.CATEGORIES)).take(pa.array(words.category_of(product))),
            "quantity": pa.array(quantity),
            "unit_price": _money(price),
            "amount": _money(amount),
        }
    )
    return orders, lines


def _chosen_products(rng: np.random.Generator, favourite: Integers) -> Integers:
    """Half of what people buy is of their favourite category, the rest of any."""
    anything = rng.choice(len(words.CATEGORIES), len(favourite), p=words.shares(words.CATEGORIES))
    category = np.where(rng.random(len(favourite)) < 0.5, favourite, anything)
    return words.product_of(category, rng.random(len(favourite)))


def _status(rng: np.random.Generator, returns: Floats, at: Integers, end: int) -> NDArray[np.str_]:
    draw = rng.random(len(at))
    status = np.full(len(at), "completed")
    status[draw > 0.97] = "cancelled"
    status[draw < returns] = "returned"
    status[(at > end - 3 * _DAY_US) & (rng.random(len(at)) < 0.7)] = "open"
    return status


def _activities(rng: np.random.Generator, people: _People, end: int) -> pa.Table:
    who, at = _events(rng, people, end, mean=9.0, floor=0.15)
    kinds = np.array(["visit", "cart", "email_open", "email_click"])
    kind = kinds[np.digitize(rng.random(len(who)), [0.55, 0.68, 0.93])]
    # Nobody reads a newsletter they do not get.
    mail = np.char.startswith(kind, "email")
    kind[mail & ~people.opted_in[who]] = "visit"
    return pa.table(
        {
            "activity_id": pa.array(np.arange(1, len(who) + 1)),
            "customer_id": _keys(who),
            "at": _instants(at),
            "kind": pa.array(kind),
        }
    )


def _events(
    rng: np.random.Generator, people: _People, end: int, *, mean: float, floor: float = 0.0
) -> tuple[Integers, Integers]:
    """Return who did something and when, oldest first: more of it the bigger the appetite."""
    start = np.maximum(people.joined, end - HISTORY.days * _DAY_US)
    span = np.maximum(people.gone - start, 0)
    share = span / (HISTORY.days * _DAY_US)
    who = np.repeat(
        np.arange(len(start)), rng.poisson((people.appetite + floor) * share * mean * 1.6)
    )
    at = start[who] + (rng.random(len(who)) * span[who]).astype(np.int64)
    order = np.argsort(at, kind="stable")
    return who[order], at[order]


class _Missing:
    """Blanks a share of a column's values, as forms left half empty do."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._rng = rng
        self._count = count

    def __call__(self, values: Any, share: float) -> Any:
        keep = pa.array(self._rng.random(self._count) >= share)
        return pc.if_else(keep, values, pa.scalar(None, values.type))


def _keys(index: Integers) -> Any:
    digits = pc.utf8_lpad(pa.array(index + 1).cast("string"), 7, "0")
    return pc.binary_join_element_wise("C", digits, "")


def _dates(days: Integers) -> Any:
    return pa.array(days.astype("datetime64[D]"), pa.date32())


def _instants(microseconds: Integers) -> Any:
    return pa.array(microseconds).cast(_INSTANT)


def _money(cents: Integers) -> Any:
    """Return whole cents as exact decimals: a decimal128 is its unscaled value in 16 bytes."""
    wide = np.zeros((len(cents), 2), dtype=np.int64)
    wide[:, 0] = cents
    return pa.Array.from_buffers(_MONEY, len(cents), [None, pa.py_buffer(wide.tobytes())])
