"""Online Retail: half a million lines, many of nobody; cancellations; the calendar of London."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from tests.acceptance.rule import Cases, Node, aggregate, column, every, link, no, rows, table

AS_OF = "2011-12-01T09:00:00Z"
NOW = pd.Timestamp("2011-12-01 09:00:00")


def catalog(data: Path, folder: Path) -> Node:
    folder.mkdir(exist_ok=True)
    return {
        "version": 1,
        "timezone": "Europe/London",
        "profile": {"key": "customer_id"} | table(data / "customers.parquet", table="customers"),
        "tables": {
            "invoices": table(
                data / "invoices.parquet", row_key=["invoice_no"], time="invoiced_at"
            ),
            "lines": table(data / "lines.parquet", row_key=["line_id"], time="invoiced_at"),
        },
        "relationships": [
            link("invoice_customer", "invoices.customer_id", "customers.customer_id"),
            link("line_invoice", "lines.invoice_no", "invoices.invoice_no"),
        ],
    }


def cases(data: Path) -> Cases:
    """Return every segment with its members."""
    found = Cases()
    customers = pq.read_table(data / "customers.parquet").to_pandas().set_index("customer_id")
    invoices = pq.read_table(data / "invoices.parquet").to_pandas()
    lines = pq.read_table(data / "lines.parquet").to_pandas()
    # a line's customer is that of its invoice; some have none
    lines = lines.drop(columns="customer_id").merge(
        invoices[["invoice_no", "customer_id"]], on="invoice_no"
    )
    invoices, lines = (
        frame[frame.customer_id.notna() & (frame.invoiced_at <= NOW)].astype({"customer_id": int})
        for frame in (invoices, lines)
    )
    _add_invoices(found, customers, invoices)
    _add_lines(found, customers, lines)
    _add_calendar(found, customers, invoices)
    return found


def _add_invoices(found: Cases, customers: Any, invoices: Any) -> None:
    bought, cancelled = invoices[~invoices.is_cancellation], invoices[invoices.is_cancellation]
    two_weeks = pd.Timedelta(days=14)
    pairs = bought[["customer_id", "invoiced_at"]].merge(
        cancelled[["customer_id", "invoiced_at"]], on="customer_id"
    )
    gap = pairs.invoiced_at_y - pairs.invoiced_at_x
    found.add(
        "cancelled_soon_after",
        {
            "kind": "sequence",
            "table": "invoices",
            "steps": [column("is_cancellation", "is_false"), column("is_cancellation", "is_true")],
            "within": "14 days",
            "window": {"last": "200 days"},
        },
        pairs[
            (gap > pd.Timedelta(0))
            & (gap <= two_weeks)
            & (pairs.invoiced_at_x > NOW - pd.Timedelta(days=200))
        ].customer_id,
    )
    edges = [NOW - pd.DateOffset(months=month) for month in range(13)]
    months: dict[int, int] = {}
    for near, far in pairwise(edges):
        inside = bought[(bought.invoiced_at > far) & (bought.invoiced_at <= near)]
        for customer in set(inside.customer_id):
            months[customer] = months.get(customer, 0) + 1
    found.add(
        "in_ten_of_twelve_months",
        {
            "kind": "periods",
            "table": "invoices",
            "where": column("is_cancellation", "eq", False),
            "period": "1 month",
            "of_last": 12,
            "at_least": 10,
            "compare": "gte",
            "value": 1,
        },
        {customer for customer, number in months.items() if number >= 10},
        timezone="UTC",
    )
    first = bought.groupby("customer_id").invoiced_at.min()
    found.add(
        "came_lately",
        {
            "kind": "first_row",
            "table": "invoices",
            "where": column("is_cancellation", "is_false"),
            "window": {"last": "60 days"},
        },
        first.loc[lambda t: t > NOW - pd.Timedelta(days=60)].index,
    )
    last = invoices.sort_values(["invoiced_at", "invoice_no"]).groupby("customer_id").tail(1)
    found.add(
        "ended_with_a_cancellation",
        {"kind": "last_row", "table": "invoices", "having": column("is_cancellation", "is_true")},
        last[last.is_cancellation].customer_id,
    )
    given, returned = (f.groupby("customer_id").total.sum() for f in (bought, cancelled))
    much = [
        key
        for key in customers.index
        if -returned.get(key, Decimal(0)) * 2 > given.get(key, Decimal(0))
    ]
    # totals of cancellations are negative: bought < returned x -2
    found.add(
        "returned_half",
        {
            "kind": "compare",
            "left": aggregate("invoices", "sum", "total", where=column("is_cancellation", "is_false")),
            "compare": "lt",
            "right": aggregate("invoices", "sum", "total", where=column("is_cancellation", "is_true")),
            "times": -2,
        },
        much,
    )  # fmt: skip


def _add_lines(found: Cases, customers: Any, lines: Any) -> None:
    spent = lines.groupby("customer_id").amount.sum()
    spent = spent.reindex(customers.index, fill_value=Decimal(0))
    ranked = sorted(spent.items(), key=lambda pair: (-pair[1], pair[0]))
    by = aggregate("lines", "sum", "amount")
    found.add("best_hundred", {"kind": "top", "by": by, "limit": 100}, [k for k, _ in ranked[:100]])
    found.add(
        "best_percent",
        {"kind": "top", "by": by, "percent": "1.5"},
        [k for k, _ in ranked[: len(ranked) * 15 // 1000]],
    )
    found.measure("spent", by)
    found.add(
        "spent_little",
        {"kind": "measure", "name": "spent", "compare": "between", "value": ["0.01", "99.99"]},
        spent.loc[lambda a: (a >= Decimal("0.01")) & (a <= Decimal("99.99"))].index,
    )
    kinds = lines.groupby("customer_id").stock_code.nunique()
    found.add(
        "wide_taste",
        rows("lines", "count_distinct", "stock_code", compare="gte", value=200),
        kinds.loc[lambda n: n >= 200].index,
    )
    bag = lines[lines.description.str.contains("BAG", na=False) & (lines.quantity >= 50)]
    found.add(
        "bags_by_fifty",
        rows(
            "lines",
            where=every(column("description", "contains", "BAG"), column("quantity", "gte", 50)),
        ),
        bag.customer_id,
    )
    heart = lines[lines.description.str.contains("heart|star", case=False, na=False)]
    average = heart.groupby("customer_id").quantity.agg(["sum", "count"])
    found.add(
        "hearts_and_stars",
        rows(
            "lines",
            "avg",
            "quantity",
            where=column("description", "matches", "(?i)heart|star"),
            compare="gt",
            value="24.5",
        ),
        average.index[average["sum"] * 2 > average["count"] * 49],
    )
    dearest = lines.groupby("customer_id").unit_price.max()
    found.add(
        "dear_goods",
        rows("lines", "max", "unit_price", compare="gt", value=100),
        dearest.loc[lambda p: p > 100].index,
    )
    # lines of one invoice are of one instant: the row key, the line's number, decides
    ordered = lines.sort_values(["invoiced_at", "line_id"]).groupby("customer_id")
    found.add(
        "began_with_a_set",
        rows("lines", "first", "description", compare="starts_with", value="SET"),
        ordered.description.nth(0).pipe(lambda d: lines.loc[d.index[d.str.startswith("SET", na=False)]]).customer_id,
    )  # fmt: skip
    found.add(
        "ended_cheaply",
        rows("lines", "last", "unit_price", compare="lt", value="0.5"),
        ordered.unit_price.last().loc[lambda p: p < Decimal("0.5")].index,
    )


def _add_calendar(found: Cases, customers: Any, invoices: Any) -> None:
    local = invoices.invoiced_at.dt.tz_localize("UTC").dt.tz_convert("Europe/London")
    day = local.dt.tz_localize(None)
    windows: dict[str, tuple[Node, Any]] = {
        "last_week": ({"calendar": "last_week"}, (day >= "2011-11-21") & (day < "2011-11-28")),
        "summer": ({"from": "2011-06-01", "to": "2011-09-01"}, (day >= "2011-06-01") & (day < "2011-09-01")),
        "four_days_ago": ({"day_offset": -4}, (day >= "2011-11-27") & (day < "2011-11-28")),
        "quarter": ({"calendar": "last_quarter"}, (day >= "2011-07-01") & (day < "2011-10-01")),
        "hours": ({"between_ago": ["48 hours", "18 hours"]},
                  (invoices.invoiced_at > NOW - pd.Timedelta(hours=48))
                  & (invoices.invoiced_at <= NOW - pd.Timedelta(hours=18))),
    }  # fmt: skip
    for name, (window, inside) in windows.items():
        found.add(name, rows("invoices", window=window), invoices[inside].customer_id)
    found.add(
        "lost",
        no(rows("invoices", window={"last": "180 days"})),
        set(customers.index)
        - set(invoices[invoices.invoiced_at > NOW - pd.Timedelta(days=180)].customer_id),
    )
    thursday = invoices[day.dt.dayofweek.eq(3) & day.dt.day.isin([1, 2, 3, 4, 5, 6, 7])]
    where = every(
        column("invoiced_at", "weekday_of", 4),
        column("invoiced_at", "day_of", [1, 2, 3, 4, 5, 6, 7]),
    )
    found.add(
        "first_thursdays",
        rows("invoices", "count", where=where, compare="gte", value=3),
        thursday.groupby("customer_id").size().loc[lambda n: n >= 3].index,
    )
    abroad = customers.index[customers.country != "United Kingdom"]
    found.add(
        "lost_abroad",
        [
            {"where": {"kind": "segment", "name": "lost"}},
            {"combine": "intersect", "where": column("country", "ne", "United Kingdom")},
        ],
        found.expected["lost"] & set(abroad),
    )
