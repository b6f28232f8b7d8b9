"""Northwind: segments of every kind and who must be in them, by pandas.

The handed-in files are enriched with a table of products and one of countries, so that rules can look them up.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.acceptance.rule import (
    Cases,
    Node,
    aggregate,
    column,
    every,
    link,
    no,
    rows,
    some,
    table,
)
from tests.conformance.reference import sampled

AS_OF = "1998-05-07T00:00:00Z"
NOW = pd.Timestamp("1998-05-07")
#: Segments of these names once more, as a person says them.
SAID = {
    "mexico_city": "city = 'MÉXICO D.F.' ignoring case",
    "titles": "contact_title ends with 'Manager' or contact_title starts with 'Owner'",
    "not_european": "home.region != 'Europe'",
    "many_products": "count(distinct product_name of order_lines) >= 30",
    "dear_on_average": "avg(unit_price of order_lines) > 30",
    "often_late": "count(orders where shipped_date > required_date) >= 2",
    "last_month": "exists(orders, last month)",
    "due_next": "exists(orders, next 14 days on required_date)",
    "came_in_1998": "first row (orders) from '1998-01-01'",
    "latest_not_shipped": "last row (orders) has (shipped_date is not set)",
    "light_after_heavy": (
        "sequence(orders: freight > 100 then freight < 10, within 30 days, last 2 years)"
    ),
    "regular": "count(orders) >= 1 in at least 4 of last 6 months",
    "doubled": (
        "sum(subtotal of orders, last 180 days)"
        " >= 2 times sum(subtotal of orders, between 360 days and 180 days ago)"
    ),
    "best_ten": "top 10 by sum(amount of order_lines)",
    "a_third": "sample 33.3% salt 'spring 1998'",
    "best_europeans": "in segment best_ten and member of segment european",
    "frequent": "measure(orders_placed) >= 15",
}
_EUROPE = {"Germany", "France", "UK", "Spain", "Italy", "Portugal", "Austria", "Belgium", "Sweden"}


def _frame(file: Path) -> Any:
    return pq.read_table(file).to_pandas()


def catalog(data: Path, folder: Path) -> Node:
    """Return the catalog, with the two extra tables written into `folder`."""
    folder.mkdir(exist_ok=True)
    lines = _frame(data / "order_lines.parquet")
    products = lines[["product_name", "category_name"]].drop_duplicates()
    pq.write_table(
        pa.Table.from_pandas(products, preserve_index=False), folder / "products.parquet"
    )
    names = sorted(set(_frame(data / "customers.parquet")["country"]) - {"Mexico"})
    regions = ["Europe" if name in _EUROPE else "elsewhere" for name in names]
    pq.write_table(pa.table({"name": names, "region": regions}), folder / "countries.parquet")
    return {
        "version": 1,
        "profile": {"key": "customer_id"} | table(data / "customers.parquet", table="customers"),
        "tables": {
            "orders": table(data / "orders.parquet", row_key=["order_id"], time="order_date"),
            "order_lines": table(
                data / "order_lines.parquet",
                row_key=["order_id", "product_name"],
                time="order_date",
            ),
            "products": table(folder / "products.parquet"),
            "countries": table(folder / "countries.parquet"),
        },
        "relationships": [
            link("order_customer", "orders.customer_id", "customers.customer_id"),
            link("line_order", "order_lines.order_id", "orders.order_id"),
            link("line_product", "order_lines.product_name", "products.product_name"),
            link("home", "customers.country", "countries.name"),
        ],
    }


def _dates(frame: Any, *names: str) -> Any:
    for name in names:
        frame[name] = pd.to_datetime(frame[name])
    return frame


def cases(data: Path) -> Cases:
    """Return every segment with its members."""
    found = Cases()
    customers = _frame(data / "customers.parquet").set_index("customer_id")
    orders = _dates(
        _frame(data / "orders.parquet"), "order_date", "required_date", "shipped_date"
    ).sort_values(["order_date", "order_id"])
    lines = _dates(_frame(data / "order_lines.parquet"), "order_date")
    lines = lines.merge(
        orders[["order_id", "freight", "employee_id", "ship_country"]], on="order_id"
    )
    _add_attributes(found, customers)
    _add_aggregates(found, customers, orders, lines)
    _add_windows(found, orders)
    _add_behaviour(found, orders)
    _add_ranks(found, customers, orders, lines)
    _add_references(found, customers, orders)
    for name, expression in SAID.items():
        found.add(f"{name}_said", expression, found.expected[name])
    return found


def _add_attributes(found: Cases, customers: Any) -> None:
    city, phone, region = (customers[c] for c in ("city", "phone", "region"))
    found.add(
        "mexico_city",
        column("city", "eq", "MÉXICO D.F.", ignore_case=True),
        customers.index[city.str.casefold() == "méxico d.f.".casefold()],
    )
    found.add(
        "phone_in_brackets",
        column("phone", "matches", r"^\(\d+\) "),
        customers.index[phone.str.contains(r"^\(\d+\) ")],
    )
    found.add(
        "not_these_regions",
        column("region", "not_in", ["SP", "RJ", "WA"]),
        customers.index[~region.isin(["SP", "RJ", "WA"])],
    )
    found.add(
        "titles",
        some(
            column("contact_title", "ends_with", "Manager"),
            column("contact_title", "starts_with", "Owner"),
        ),
        customers.index[
            customers["contact_title"].str.endswith("Manager")
            | customers["contact_title"].str.startswith("Owner")
        ],
    )
    european = customers.index[customers["country"].isin(_EUROPE)]
    found.add("european", column("countries.region", "eq", "Europe"), european)
    # Mexico is not among the countries: a missing value passes the negative comparison
    found.add(
        "not_european", column("home.region", "ne", "Europe"), set(customers.index) - set(european)
    )


def _add_aggregates(found: Cases, customers: Any, orders: Any, lines: Any) -> None:
    by = lines.groupby("customer_id")
    found.add(
        "many_products",
        rows("order_lines", "count_distinct", "product_name", compare="gte", value=30),
        by.product_name.nunique().loc[lambda n: n >= 30].index,
    )
    average = by.unit_price.agg(lambda v: sum(v) - 30 * len(v))
    found.add(
        "dear_on_average",
        rows("order_lines", "avg", "unit_price", compare="gt", value=30),
        average.loc[lambda v: v > 0].index,
    )
    found.add(
        "no_small_lines",
        rows("order_lines", "min", "quantity", compare="gte", value=5),
        by.quantity.min().loc[lambda n: n >= 5].index,
    )
    found.add(
        "large_discount",
        rows("order_lines", "max", "discount", compare="between", value=["0.2", "0.25"]),
        by.discount.max().loc[lambda d: (d >= Decimal("0.2")) & (d <= Decimal("0.25"))].index,
    )
    first = orders.groupby("customer_id").freight.first()
    found.add(
        "heavy_first_order",
        rows("orders", "first", "freight", compare="gte", value="50.00"),
        first.loc[lambda f: f >= 50].index,
    )
    shipped = orders.dropna(subset=["shipped_date"]).sort_values(["shipped_date", "order_id"])
    found.add(
        "light_last_shipment",
        rows("orders", "last", "freight", order_by="shipped_date", compare="lt", value=20),
        shipped.groupby("customer_id").freight.last().loc[lambda f: f < 20].index,
    )
    late = orders[orders.shipped_date > orders.required_date]
    where = column("shipped_date", "gt", {"column": "required_date"})
    found.add(
        "often_late",
        rows("orders", "count", where=where, compare="gte", value=2),
        late.groupby("customer_id").size().loc[lambda n: n >= 2].index,
    )
    dairy = lines[(lines.category_name == "Dairy Products") & (lines.freight > 100)]
    where = every(
        column("products.category_name", "eq", "Dairy Products"),
        column("orders.freight", "gt", 100),
    )
    found.add(
        "dairy_by_heavy_freight",
        rows("order_lines", "sum", "amount", where=where, compare="gte", value=1000),
        dairy.groupby("customer_id").amount.sum().loc[lambda a: a >= 1000].index,
    )
    home = orders.customer_id.map(customers["city"])
    where = column("ship_city", "ne", {"column": "customers.city"})
    found.add(
        "shipped_elsewhere",
        rows("orders", where=where),
        orders[orders.ship_city != home].customer_id,
    )


def _add_windows(found: Cases, orders: Any) -> None:
    date = orders.order_date
    windows: dict[str, tuple[Node, Any]] = {
        "last_month": (
            {"calendar": "last_month"},
            (date >= "1998-04-01") & (date < "1998-05-01"),
        ),
        "this_week": ({"calendar": "this_week"}, (date >= "1998-05-04") & (date <= NOW)),
        "this_year": ({"calendar": "year_to_date"}, (date >= "1998-01-01") & (date <= NOW)),
        "yesterday": ({"day_offset": -1}, date == "1998-05-06"),
        "two_months_back": (
            {"between_ago": ["2 months", "1 month"]},
            (date > "1998-03-07") & (date <= "1998-04-07"),
        ),
        "nothing_lately": ({"last": "90 days"}, date > NOW - pd.Timedelta(days=90)),
        "due_next": (
            {"next": "14 days", "on": "required_date"},
            (orders.required_date > NOW) & (orders.required_date <= NOW + pd.Timedelta(days=14)),
        ),
    }
    everybody = set(orders.customer_id)
    for name, (window, inside) in windows.items():
        chosen = set(orders[inside].customer_id)
        if name == "nothing_lately":
            # of those with orders: the two without would be there, too
            where = every(no(rows("orders", window=window)), rows("orders"))
            found.add(name, where, everybody - chosen)
        else:
            found.add(name, rows("orders", window=window), chosen)
    monday = orders[(date.dt.dayofweek == 0) & date.dt.month.isin([1, 12])]
    where = every(column("order_date", "weekday_of", 1), column("order_date", "month_of", [1, 12]))
    found.add("winter_mondays", rows("orders", where=where), monday.customer_id)


def _add_behaviour(found: Cases, orders: Any) -> None:
    first = orders.groupby("customer_id").order_date.min()
    found.add(
        "came_in_1998",
        {"kind": "first_row", "table": "orders", "window": {"from": "1998-01-01"}},
        first.loc[lambda d: d >= "1998-01-01"].index,
    )
    last = orders.groupby("customer_id").tail(1)
    found.add(
        "latest_not_shipped",
        {"kind": "last_row", "table": "orders", "having": column("shipped_date", "is_not_set")},
        last[last.shipped_date.isna()].customer_id,
    )
    heavy = orders[(orders.freight > 100) & (orders.order_date > "1996-05-07")]
    light = orders[orders.freight < 10]
    pairs = heavy.merge(light, on="customer_id", suffixes=("_1", "_2"))
    gap = pairs.order_date_2 - pairs.order_date_1
    found.add(
        "light_after_heavy",
        {
            "kind": "sequence",
            "table": "orders",
            "steps": [column("freight", "gt", 100), column("freight", "lt", 10)],
            "within": "30 days",
            "window": {"last": "2 years"},
        },
        pairs[(gap > pd.Timedelta(0)) & (gap <= pd.Timedelta(days=30))].customer_id,
    )
    edges = [NOW - pd.DateOffset(months=month) for month in range(7)]
    busy: dict[str, int] = {}
    for near, far in pairwise(edges):
        for customer in set(
            orders[(orders.order_date > far) & (orders.order_date <= near)].customer_id
        ):
            busy[customer] = busy.get(customer, 0) + 1
    found.add(
        "regular",
        {
            "kind": "periods",
            "table": "orders",
            "period": "1 month",
            "of_last": 6,
            "at_least": 4,
            "compare": "gte",
            "value": 1,
        },
        {customer for customer, months in busy.items() if months >= 4},
    )
    half = pd.Timedelta(days=180)
    recent = _subtotals(orders, NOW - half, NOW)
    before = _subtotals(orders, NOW - 2 * half, NOW - half)
    both = pd.DataFrame({"recent": recent, "before": before}).fillna(Decimal(0))
    grown = both[both.recent >= both.before * 2]
    everybody = set(orders.customer_id) | {"FISSA", "PARIS"}
    found.add(
        "doubled",
        {
            "kind": "compare",
            "left": aggregate("orders", "sum", "subtotal", window={"last": "180 days"}),
            "compare": "gte",
            "right": aggregate(
                "orders", "sum", "subtotal", window={"between_ago": ["360 days", "180 days"]}
            ),
            "times": 2,
        },
        # sums over no rows are 0, so those without any order in both halves are in
        set(grown.index) | (everybody - set(both.index)),
    )


def _subtotals(orders: Any, after: Any, until: Any) -> Any:
    inside = orders[(orders.order_date > after) & (orders.order_date <= until)]
    return inside.groupby("customer_id").subtotal.sum()


def _add_ranks(found: Cases, customers: Any, orders: Any, lines: Any) -> None:
    spent = lines.groupby("customer_id").amount.sum().reindex(customers.index, fill_value=0)
    ranked = sorted(spent.items(), key=lambda pair: (-pair[1], pair[0]))
    by = aggregate("order_lines", "sum", "amount")
    found.add("best_ten", {"kind": "top", "by": by, "limit": 10}, [k for k, _ in ranked[:10]])
    freight = orders.groupby("customer_id").freight.min()
    least = sorted(freight.items(), key=lambda pair: (pair[1], pair[0]))
    found.add(
        "least_freight",
        {
            "kind": "top",
            "by": aggregate("orders", "min", "freight"),
            "percent": "12.5",
            "descending": False,
        },
        [k for k, _ in least[: len(least) * 125 // 1000]],
    )
    found.add(
        "a_third",
        {"kind": "sample", "percent": "33.3", "salt": "spring 1998"},
        [key for key in customers.index if sampled("33.3", "spring 1998", key)],
    )


def _add_references(found: Cases, customers: Any, orders: Any) -> None:
    found.measure("revenue", aggregate("order_lines", "sum", "amount"))
    found.measure("orders_placed", aggregate("orders", "count"))
    best, european = found.expected["best_ten"], found.expected["european"]
    found.add(
        "best_europeans",
        every({"kind": "segment", "name": "best_ten"}, {"kind": "segment", "name": "european"}),
        best & european,
    )
    found.add(
        "best_by_hand",
        [
            {"where": {"kind": "segment", "name": "best_europeans"}},
            {"combine": "union", "where": column("country", "eq", "Norway")},
            {"combine": "except", "where": {"kind": "segment", "name": "often_late"}},
        ],
        (
            (best & european | set(customers.index[customers["country"] == "Norway"]))
            - found.expected["often_late"]
            | {"FISSA"}
        )
        - {"SANTG"},
        manual={"add": ["FISSA", "NOBODY"], "remove": ["SANTG"]},
    )
    placed = orders.groupby("customer_id").size()
    found.add(
        "frequent",
        {"kind": "measure", "name": "orders_placed", "compare": "gte", "value": 15},
        placed.loc[lambda n: n >= 15].index,
    )
    spent = orders.groupby("customer_id").freight.sum()
    big = [k for k, n in placed.items() if spent[k] > 60 * n]
    found.add(
        "heavy_per_order",
        {
            "kind": "compare",
            "left": aggregate("orders", "sum", "freight"),
            "compare": "gt",
            "right": {"measure": "orders_placed"},
            "times": 60,
        },
        big,
    )
