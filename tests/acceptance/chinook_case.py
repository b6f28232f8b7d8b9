"""Chinook: two ways to one table, dimensions by two names, a one-to-one table, local calendars."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.acceptance.rule import Cases, Node, aggregate, column, every, link, no, rows, table
from tests.conformance.reference import sampled

AS_OF = "2025-06-30T12:00:00Z"
NOW = pd.Timestamp("2025-06-30 12:00:00")
ZONE = "America/Sao_Paulo"
DIRECT, BY_INVOICE = ["line_customer"], ["line_invoice", "invoice_customer"]


def catalog(data: Path, folder: Path) -> Node:
    """Return the catalog, with a table of countries and one of companies written into `folder`."""
    folder.mkdir(exist_ok=True)
    customers = pq.read_table(data / "customers.parquet").to_pandas()
    countries = sorted(set(customers.country) - {"India"})
    codes = [name[:2].upper() for name in countries]
    pq.write_table(pa.table({"country": countries, "code": codes}), folder / "countries.parquet")
    firms = customers.dropna(subset=["company"])[["customer_id", "company", "fax"]]
    pq.write_table(pa.Table.from_pandas(firms, preserve_index=False), folder / "firms.parquet")
    return {
        "version": 1,
        "timezone": ZONE,
        "profile": {"key": "customer_id"} | table(data / "customers.parquet", table="customers"),
        "tables": {
            "invoices": table(
                data / "invoices.parquet", row_key=["invoice_id"], time="invoice_date"
            ),
            "invoice_lines": table(
                data / "invoice_lines.parquet", row_key=["invoice_line_id"], time="invoice_date"
            ),
            "countries": table(folder / "countries.parquet"),
            "firms": table(folder / "firms.parquet"),
        },
        "relationships": [
            link("invoice_customer", "invoices.customer_id", "customers.customer_id"),
            link("line_invoice", "invoice_lines.invoice_id", "invoices.invoice_id"),
            link("line_customer", "invoice_lines.customer_id", "customers.customer_id"),
            link("home", "customers.country", "countries.country"),
            link("billed_in", "invoices.billing_country", "countries.country"),
            link("works_for", "firms.customer_id", "customers.customer_id", kind="one_to_one"),
        ],
    }


def cases(data: Path) -> Cases:
    """Return every segment with its members."""
    found = Cases()
    customers = pq.read_table(data / "customers.parquet").to_pandas().set_index("customer_id")
    invoices = pq.read_table(data / "invoices.parquet").to_pandas()
    lines = pq.read_table(data / "invoice_lines.parquet").to_pandas()
    _add_paths(found, customers, invoices, lines)
    _add_behaviour(found, customers, invoices, lines)
    _add_calendar(found, invoices)
    return found


def _add_paths(found: Cases, customers: Any, invoices: Any, lines: Any) -> None:
    everybody = set(customers.index)
    seen = lines[lines.invoice_date <= NOW]
    rock = seen[seen.genre == "Rock"].groupby("customer_id").size()
    where = column("genre", "eq", "rock", ignore_case=True)
    found.add(
        "rock_lovers",
        rows("invoice_lines", "count", via=BY_INVOICE, where=where, compare="gte", value=16),
        rock.loc[lambda n: n >= 16].index,
    )
    spent = seen[seen.artist.isin(["U2", "Queen"])].groupby("customer_id").amount.sum()
    where = column("artist", "in", ["U2", "Queen"])
    found.add(
        "fans",
        rows("invoice_lines", "sum", "amount", via=DIRECT, where=where, compare="gt", value="2.97"),
        spent.loc[lambda a: a > Decimal("2.97")].index,
    )
    dear = seen.merge(invoices[["invoice_id", "total", "billing_country"]], on="invoice_id")
    dear = dear[(dear.total > 10) & (dear.quantity * dear.unit_price > 1)]
    where = every(column("invoices.total", "gt", 10), column("unit_price", "gt", 1))
    found.add(
        "dear_lines_on_dear_invoices",
        rows("invoice_lines", via=BY_INVOICE, where=where),
        dear.customer_id,
    )
    firms = customers[customers.company.notna()]
    found.add("with_a_firm", column("firms.company", "is_set"), firms.index)
    found.add(
        "not_apple", column("firms.company", "ne", "Apple Inc."),
        everybody - set(firms.index[firms.company == "Apple Inc."]),
    )  # fmt: skip
    found.add(
        "firm_with_foreign_fax",
        every(column("firms.company", "is_set"), no(column("firms.fax", "starts_with", "+1 "))),
        firms.index[~firms.fax.str.startswith("+1 ", na=False)],
    )
    code = customers.country.str[:2].str.upper()
    found.add(
        "home_code", column("countries.code", "in", ["BR", "GE", "IN"]),
        customers.index[code.isin(["BR", "GE"])],
    )  # fmt: skip
    billed = invoices[
        invoices.billing_country.str.startswith("Un") & (invoices.invoice_date <= NOW)
    ]
    where = every(column("billed_in.code", "eq", "UN"), column("home.code", "eq", "UN"))
    home = billed.customer_id.map(code) == "UN"
    found.add("billed_at_home", rows("invoices", where=where), billed[home].customer_id)
    low, high = customers.index.min(), customers.index.max()
    found.add(
        "first_keys",
        {"kind": "top", "by": {"column": "customer_id"}, "limit": 7, "descending": False},
        range(low, low + 7),
    )
    found.add("last_key", column("customer_id", "gte", int(high)), [high])
    found.add(
        "a_sample",
        {"kind": "sample", "percent": 40, "salt": "é"},
        [key for key in customers.index if sampled(40, "é", key)],
    )


def _add_behaviour(found: Cases, customers: Any, invoices: Any, lines: Any) -> None:
    seen = lines[lines.invoice_date <= NOW]
    rock, jazz, latin = (seen[seen.genre == g] for g in ("Rock", "Jazz", "Latin"))
    pairs = rock[rock.invoice_date >= "2021-06-01"].merge(
        jazz, on="customer_id", suffixes=("_1", "_2")
    )
    chain = pairs.merge(latin, on="customer_id")
    limit = chain.invoice_date_1 + pd.DateOffset(years=2)
    good = (
        (chain.invoice_date_2 > chain.invoice_date_1)
        & (chain.invoice_date > chain.invoice_date_2)
        & (chain.invoice_date <= limit)
    )
    found.add(
        "rock_jazz_latin",
        {
            "kind": "sequence",
            "table": "invoice_lines",
            "via": DIRECT,
            "steps": [column("genre", "eq", g) for g in ("Rock", "Jazz", "Latin")],
            "within": "2 years",
            "window": {"from": "2021-06-01"},
        },
        chain[good].customer_id,
        timezone="UTC",
    )
    edges = [NOW - pd.DateOffset(months=6 * half) for half in range(9)]
    halves: dict[int, int] = {}
    for near, far in pairwise(edges):
        inside = invoices[(invoices.invoice_date > far) & (invoices.invoice_date <= near)]
        for customer, count in inside.groupby("customer_id").size().items():
            halves[customer] = halves.get(customer, 0) + (count == 1)
    found.add(
        "one_each_half_year",
        {
            "kind": "periods",
            "table": "invoices",
            "period": "6 months",
            "of_last": 8,
            "at_least": 5,
            "compare": "eq",
            "value": 1,
        },
        {customer for customer, number in halves.items() if number >= 5},
        timezone="UTC",
    )
    ordered = invoices[invoices.invoice_date <= NOW].sort_values(["invoice_date", "invoice_id"])
    last = ordered.groupby("customer_id").tail(1)
    found.add(
        "small_last_invoice",
        {"kind": "last_row", "table": "invoices", "having": column("total", "lte", "1.98")},
        last[last.total <= Decimal("1.98")].customer_id,
    )
    by = ordered.groupby("customer_id").total
    dearer = [key for key, values in by if values.iloc[-1] * len(values) > sum(values)]
    found.add(
        "last_above_average",
        {
            "kind": "compare",
            "left": aggregate("invoices", "last", "total"),
            "compare": "gt",
            "right": aggregate("invoices", "avg", "total"),
        },
        dearer,
    )
    tracks = seen.sort_values(["invoice_date", "invoice_line_id"]).groupby("customer_id").track
    found.add(
        "first_track",
        rows("invoice_lines", "first", "track", via=DIRECT, compare="matches", value="^[A-M]"),
        tracks.first().loc[lambda t: t.str.contains("^[A-M]")].index,
    )
    mean = ordered.groupby("customer_id").total.agg(lambda v: sum(v) / len(v))
    ranked = sorted(mean.items(), key=lambda pair: (-pair[1], pair[0]))
    found.add(
        "dearest_quarter",
        {"kind": "top", "by": aggregate("invoices", "avg", "total"), "percent": 25},
        [key for key, _ in ranked[: len(ranked) // 4]],
    )
    genres = seen[seen.invoice_date > NOW - pd.Timedelta(days=730)]
    wide = genres.groupby("customer_id").genre.nunique()
    found.measure(
        "genres",
        aggregate(
            "invoice_lines", "count_distinct", "genre", via=DIRECT, window={"last": "730 days"}
        ),
    )
    found.add(
        "narrow",
        {"kind": "measure", "name": "genres", "compare": "lte", "value": 2},
        [k for k in customers.index if wide.get(k, 0) <= 2],
    )


def _add_calendar(found: Cases, invoices: Any) -> None:
    # midnight in UTC is the evening before in São Paulo
    local = invoices.invoice_date.dt.tz_localize("UTC").dt.tz_convert(ZONE)
    seen = invoices.invoice_date <= NOW
    windows: dict[str, tuple[Node, Any]] = {
        "this_quarter": ({"calendar": "this_quarter"}, (local.dt.year == 2025) & local.dt.quarter.eq(2)),
        "last_year": ({"calendar": "last_year"}, local.dt.year == 2024),
        "in_march": (
            {"from": "2024-03-01", "to": "2024-04-01"},
            (local.dt.year == 2024) & (local.dt.month == 3),
        ),
        "before": ({"before_ago": "4 years"}, invoices.invoice_date <= NOW - pd.DateOffset(years=4)),
    }  # fmt: skip
    for name, (window, inside) in windows.items():
        found.add(name, rows("invoices", window=window), invoices[inside & seen].customer_id)
    sunday = invoices[(local.dt.dayofweek == 6) & seen]
    found.add(
        "never_on_sunday",
        no(rows("invoices", where=column("invoice_date", "weekday_of", 7))),
        set(invoices.customer_id) - set(sunday.customer_id),
    )
