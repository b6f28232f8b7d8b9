"""The Complete Journey: dates with a future, an attribute history, levels held, campaigns as a dimension."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.acceptance.rule import Cases, Node, aggregate, column, every, link, no, rows, table

AS_OF = "2017-11-15T12:00:00Z"
NOW = pd.Timestamp("2017-11-15 12:00:00")
TODAY = pd.Timestamp("2017-11-15")
ZONE = "America/New_York"


def _levels(data: Path) -> Any:
    """Return each customer's level of spending in each month, as it was known at the month's end."""
    bought = pq.read_table(data / "transactions.parquet").to_pandas()
    bought["month"] = bought.transacted_at.dt.to_period("M")
    spent = bought.groupby(["customer_id", "month"]).sales_value.sum().reset_index()
    spent["level"] = ["high" if value >= 20 else "low" for value in spent.sales_value]
    spent["known_at"] = spent.month.dt.end_time.dt.floor("s")
    return spent[["customer_id", "level", "known_at"]]


def catalog(data: Path, folder: Path) -> Node:
    """Return the catalog, with levels, their history and the campaigns written into `folder`."""
    folder.mkdir(exist_ok=True)
    customers = pq.read_table(data / "customers.parquet").to_pandas()
    levels = _levels(data)
    latest = levels.sort_values("known_at").groupby("customer_id")["level"].last()
    profile = customers.assign(level=customers.customer_id.map(latest))
    pq.write_table(
        pa.Table.from_pandas(profile, preserve_index=False), folder / "customers.parquet"
    )
    history = {
        "customer_id": pa.array(levels.customer_id, pa.string()),
        "field": pa.array(["level"] * len(levels)),
        "value": pa.array(levels.level, pa.string()),
        "known_at": pa.array(levels.known_at, pa.timestamp("us")),
    }
    pq.write_table(pa.table(history), folder / "changes.parquet")
    campaigns = pq.read_table(data / "campaigns.parquet").to_pandas()
    kinds = campaigns[["campaign_id", "campaign_type"]].drop_duplicates()
    pq.write_table(pa.Table.from_pandas(kinds, preserve_index=False), folder / "kinds.parquet")
    return {
        "version": 1,
        "timezone": ZONE,
        "profile": {
            "key": "customer_id",
            "columns": {
                "level": {"history": {"table": "changes", "column": "field", "value": "value"}}
            },
        }
        | table(folder / "customers.parquet", table="customers"),
        "tables": {
            "transactions": table(
                data / "transactions.parquet",
                row_key=["basket_id", "product_id"],
                time="transacted_at",
            ),
            "campaigns": table(
                data / "campaigns.parquet", row_key=["campaign_id"], time="start_date"
            ),
            "redemptions": table(
                data / "coupon_redemptions.parquet",
                row_key=["campaign_id", "coupon_upc"],
                time="redeemed_on",
            ),
            "changes": table(folder / "changes.parquet", row_key=["field"], time="known_at"),
            "kinds": table(folder / "kinds.parquet"),
        },
        "relationships": [
            link("bought", "transactions.customer_id", "customers.customer_id"),
            link("addressed", "campaigns.customer_id", "customers.customer_id"),
            link("redeemed", "redemptions.customer_id", "customers.customer_id"),
            link("changed", "changes.customer_id", "customers.customer_id"),
            link("kind_of", "redemptions.campaign_id", "kinds.campaign_id"),
        ],
    }


def cases(data: Path) -> Cases:
    """Return every segment with its members."""
    found = Cases()
    customers = pq.read_table(data / "customers.parquet").to_pandas()
    bought = pq.read_table(data / "transactions.parquet").to_pandas()
    campaigns = pq.read_table(data / "campaigns.parquet").to_pandas()
    redeemed = pq.read_table(data / "coupon_redemptions.parquet").to_pandas()
    for frame, names in ((campaigns, ("start_date", "end_date")), (redeemed, ("redeemed_on",))):
        for name in names:
            frame[name] = pd.to_datetime(frame[name])
    _add_profile(found, customers)
    _add_levels(found, data, customers)
    _add_campaigns(found, customers, campaigns, redeemed)
    _add_baskets(found, customers, bought)
    return found


def _add_profile(found: Cases, customers: Any) -> None:
    key = customers.set_index("customer_id")
    age = key.age
    found.add("age_known", column("age", "is_set"), key.index[age.notna()])
    found.add("not_young", column("age", "not_in", ["19-24", "25-34"]),
              key.index[~age.isin(["19-24", "25-34"])])  # fmt: skip
    many = key.index[key.household_size.isin(["4", "5+"]) & ~key.kids_count.eq("0")]
    found.add(
        "large_households",
        every(column("household_size", "in", ["4", "5+"]), no(column("kids_count", "eq", "0"))),
        many,
    )
    found.add("married_65", every(column("age", "starts_with", "65"), column("marital_status", "contains", "marr", ignore_case=True)),
              key.index[age.str.startswith("65", na=False) & key.marital_status.str.casefold().str.contains("marr", na=False)])  # fmt: skip


def _add_levels(found: Cases, data: Path, customers: Any) -> None:
    levels = _levels(data).sort_values(["customer_id", "known_at"])
    seen = levels[levels.known_at <= NOW]
    long: set[str] = set()
    short: set[str] = set()
    for customer, rows_ in seen.groupby("customer_id"):
        values, times = list(rows_.level), list(rows_.known_at)
        if values[-1] != "high":
            continue
        start = len(values) - 1
        while start and values[start - 1] == "high":
            start -= 1
        (long if times[start] <= NOW - pd.Timedelta(days=60) else short).add(customer)
    held: Node = {"kind": "held", "column": "level", "value": "high", "duration": "60 days"}
    found.add("long_high", held | {"compare": "gte"}, long)
    found.add("newly_high", held | {"compare": "lt"}, short)


def _add_campaigns(found: Cases, customers: Any, campaigns: Any, redeemed: Any) -> None:
    # a date counts as its local midnight, five hours after that of UTC
    local = NOW - pd.Timedelta(hours=5)
    coming = campaigns[
        (campaigns.start_date > local) & (campaigns.start_date <= local + pd.Timedelta(days=30))
    ]
    found.add(
        "soon_addressed",
        rows("campaigns", window={"next": "30 days"}, include_future=True),
        coming.customer_id,
    )
    running = campaigns[(campaigns.start_date <= TODAY) & (campaigns.end_date >= TODAY)]
    found.add(
        "addressed_now",
        rows("campaigns", where=column("end_date", "gte", {"ago": "1 hour"})),
        running.customer_id,
    )
    past = campaigns[campaigns.start_date <= TODAY]
    first = past.groupby("customer_id").start_date.min()
    found.add(
        "first_addressed_in_spring",
        {
            "kind": "first_row",
            "table": "campaigns",
            "window": {"from": "2017-03-01", "to": "2017-06-01"},
        },
        first.loc[lambda d: (d >= "2017-03-01") & (d < "2017-06-01")].index,
    )
    types = campaigns.drop_duplicates("campaign_id").set_index("campaign_id").campaign_type
    used = redeemed[redeemed.redeemed_on <= TODAY]
    type_a = used[used.campaign_id.map(types) == "Type A"]
    where = column("kinds.campaign_type", "eq", "Type A")
    found.add(
        "type_a_users",
        rows("redemptions", "count", where=where, compare="gte", value=3),
        type_a.groupby("customer_id").size().loc[lambda n: n >= 3].index,
    )
    found.add(
        "addressed_and_silent",
        [
            {"where": rows("campaigns", "count", compare="gte", value=3)},
            {"combine": "except", "where": rows("redemptions")},
        ],
        set(past.groupby("customer_id").size().loc[lambda n: n >= 3].index) - set(used.customer_id),
    )
    distinct = used.groupby("customer_id").coupon_upc.nunique()
    found.add(
        "many_coupons",
        rows("redemptions", "count_distinct", "coupon_upc", compare="gt", value=5),
        distinct.loc[lambda n: n > 5].index,
    )


def _add_baskets(found: Cases, customers: Any, bought: Any) -> None:
    everybody = set(customers.customer_id)
    seen = bought[bought.transacted_at <= NOW]
    meat, fuel = seen[seen.department == "MEAT"], seen[seen.department == "FUEL"]
    pairs = meat.merge(fuel, on="customer_id", suffixes=("_1", "_2"))
    gap = pairs.transacted_at_2 - pairs.transacted_at_1
    found.add(
        "fuel_after_meat",
        {
            "kind": "sequence",
            "table": "transactions",
            "steps": [column("department", "eq", "MEAT"), column("department", "eq", "FUEL")],
            "within": "2 weeks",
            "window": {"last": "52 weeks"},
        },
        pairs[
            (gap > pd.Timedelta(0))
            & (gap <= pd.Timedelta(weeks=2))
            & (pairs.transacted_at_1 > NOW - pd.Timedelta(weeks=52))
        ].customer_id,
    )
    weeks: dict[str, int] = {}
    for week in range(12):
        near, far = NOW - pd.Timedelta(weeks=week), NOW - pd.Timedelta(weeks=week + 1)
        inside = seen[(seen.transacted_at > far) & (seen.transacted_at <= near)]
        for customer, count in inside.groupby("customer_id").size().items():
            weeks[customer] = weeks.get(customer, 0) + (count >= 2)
    found.add(
        "weekly_shoppers",
        {
            "kind": "periods",
            "table": "transactions",
            "period": "1 week",
            "of_last": 12,
            "at_least": 5,
            "compare": "gte",
            "value": 2,
        },
        {customer for customer, number in weeks.items() if number >= 5},
    )
    discount = seen.groupby("customer_id").retail_disc.sum()
    spent = seen.groupby("customer_id").sales_value.sum()
    found.add(
        "bargain_hunters",
        {
            "kind": "compare",
            "left": aggregate("transactions", "sum", "retail_disc"),
            "compare": "gt",
            "right": aggregate("transactions", "sum", "sales_value"),
            "times": "0.35",
        },
        [k for k in discount.index if discount[k] > spent[k] * Decimal("0.35")],
    )
    ranked = sorted((-spent.get(key, Decimal(0)), key) for key in everybody)
    found.add(
        "best_tenth",
        {"kind": "top", "by": aggregate("transactions", "sum", "sales_value"), "percent": 10},
        [key for _, key in ranked[: len(ranked) // 10]],
    )
    found.add(
        "best_and_high",
        every({"kind": "segment", "name": "best_tenth"}, {"kind": "segment", "name": "long_high"}),
        found.expected["best_tenth"] & found.expected["long_high"],
    )
    local = seen.transacted_at.dt.tz_localize("UTC").dt.tz_convert(ZONE)
    november = seen[(local.dt.year == 2017) & (local.dt.month == 11)]
    found.add(
        "this_month", rows("transactions", window={"calendar": "this_month"}), november.customer_id
    )
    stores = seen.groupby("customer_id").store_id.nunique()
    found.add(
        "loyal_to_a_store",
        rows("transactions", "count_distinct", "store_id", compare="eq", value=1),
        stores.loc[lambda n: n == 1].index,
    )
    unknown = seen[seen.department.isna()]
    found.add(
        "unknown_department",
        rows("transactions", where=column("department", "is_not_set")),
        unknown.customer_id,
    )
