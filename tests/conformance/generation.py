"""Random customers, rows and rules for the property tests: small values, so that things meet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.kernel.source import ArrowPartition

AS_OF = datetime(2026, 3, 29, 9, 30, tzinfo=UTC)  # the morning of a daylight-saving change

_TEXTS = ["a", "A", "ab", "Straße", "STRASSE", "İ", "ß", "ba", "é", "", None]
_DAYS = [date(2026, 3, 29) + timedelta(days=d) for d in (-400, -31, -30, -29, -2, -1, 0, 1, 2)]
_NUMBERS = ["0", "1", "-1", "2", "10.10", "10.1", "10.105", "99999999.99", "-0.0", "0.01"]
_INSTANTS = [
    AS_OF + timedelta(microseconds=m, days=d)
    for d in (-365, -30, -29, -28, -1, 0, 1)
    for m in (-1, 0, 1)
] + [datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]

TYPES: dict[str, tuple[str, Any, list[Any]]] = {
    "word": ("text", pa.string(), _TEXTS),
    "other_word": ("text", pa.string(), _TEXTS),
    "whole": ("integer", pa.int64(), [0, 1, 2, -1, 10, 2**62, -(2**63), 2**63 - 1, None]),
    "money": (
        "decimal(10,2)",
        pa.decimal128(10, 2),
        [Decimal(n) for n in ("0.00", "10.10", "10.11", "-1.00", "99999999.99", "0.01")] + [None],
    ),
    "wide": (
        "decimal(38,4)",
        pa.decimal128(38, 4),
        [Decimal(n) for n in ("0", "10.1050", "-1", "9" * 33, "-" + "9" * 33, "9" * 16)] + [None],
    ),
    "ratio": (
        "float",
        pa.float64(),
        [0.0, -0.0, 1.0, 10.1, -1.0, float("inf"), float("nan"), 0.01, None],
    ),
    "flag": ("boolean", pa.bool_(), [True, False, None]),
    "day": ("date", pa.date32(), [*_DAYS, None]),
    "moment": ("timestamp", pa.timestamp("us", "UTC"), [*_INSTANTS, None]),
    "tags": (
        "array<text>",
        pa.list_(pa.string()),
        [None, [], [None], [""], ["a"], ["A", "ab"], ["Straße", None], ["b", ""]],
    ),
}
#: Table -> its time column.
TIMES: dict[str, str | None] = {"orders": "moment", "visits": "day", "notes": None}

_COLUMNS = {name: text for name, (text, _, _) in TYPES.items()}

CATALOG = Catalog(
    timezone="UTC",
    profile=Table(name="customers", source=Source(parquet="/c"), columns=_COLUMNS | {"id": "text"}),
    key="id",
    tables={
        name: Table(
            name=name, source=Source(parquet="/t"), columns=_COLUMNS | {"cid": "text"}, time=time
        )
        for name, time in TIMES.items()
    },
    relationships=[
        Relationship.model_validate(
            {"name": f"{name}_customer", "from": f"{name}.cid", "to": "customers.id"}
        )
        for name in TIMES
    ],
)

_record = st.fixed_dictionaries({n: st.sampled_from(v) for n, (_, _, v) in TYPES.items()})


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Return customers and rows by table; ordinals are places in the list of customers."""
    customers = draw(st.lists(_record, min_size=1, max_size=10))
    for customer in customers:
        customer["_alive"] = draw(st.integers(0, 9)) > 0
    tables = {}
    for name in TIMES:
        rows = draw(st.lists(_record, max_size=25))
        for row in rows:
            row["_ordinal"] = draw(st.integers(0, len(customers) - 1))
        tables[name] = rows
    return customers, tables


def partition_of(
    customers: list[dict[str, Any]],
    tables: dict[str, list[dict[str, Any]]],
    *,
    chunk_rows: int,
    newest_first: bool = True,
) -> ArrowPartition:
    """Return records as a partition, optionally in an order that is not the store's."""
    stored = {}
    for name, rows in tables.items():
        time = TIMES[name]
        if time is not None and newest_first:
            dated = [row for row in rows if row[time] is not None]
            undated = [row for row in rows if row[time] is None]
            rows = sorted(dated, key=lambda row: row[time], reverse=True) + undated
        ordinals = pa.array([row["_ordinal"] for row in rows], pa.int32())
        stored[name] = pa.table({"_ordinal": ordinals} | _arrays(rows))
    keys = pa.array([f"C{i}" for i in range(len(customers))], pa.string())
    return ArrowPartition(
        customers=pa.table({"id": keys} | _arrays(customers)),
        tables=stored,
        live=np.array([c["_alive"] for c in customers], dtype=np.bool_),
        earlier={},
        chunk_rows=chunk_rows,
    )


def _arrays(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {n: pa.array([r[n] for r in records], kind) for n, (_, kind, _) in TYPES.items()}


_ORDER = ("eq", "ne", "gt", "gte", "lt", "lte")
_literal_number = st.sampled_from([*_NUMBERS, 0, 1, 2, 3, 10])
_literal_day = st.sampled_from([d.isoformat() for d in _DAYS])
_literal_time = st.one_of(
    st.sampled_from([m.isoformat() for m in _INSTANTS]),
    _literal_day,
    st.sampled_from(["2026-03-29T02:30:00", "2026-03-29 01:59:59.999999", "2025-10-26T02:30"]),
)
_literal_word = st.sampled_from([t for t in _TEXTS if t])
_durations = st.sampled_from(["1 second", "1 day", "4 weeks", "30 days", "1 month", "1 year"])


@st.composite
def _ordered(draw: st.DrawFn, column: str, literals: Any, *, key: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"kind": "attribute", "column": column}
    form = draw(st.sampled_from(("one", "many", "between")))
    if form == "one":
        return node | {"compare": draw(st.sampled_from(_ORDER)), "value": draw(literals)}
    if form == "many":
        values = draw(st.lists(literals, min_size=1, max_size=12))
        return node | {"compare": draw(st.sampled_from(("in", "not_in"))), "value": values}
    ends = sorted((draw(literals), draw(literals)), key=key)
    return node | {"compare": draw(st.sampled_from(("between", "not_between"))), "value": ends}


def _number_key(literal: Any) -> Decimal:
    return Decimal(str(literal))


def _text_node(column: str) -> st.SearchStrategy[dict[str, Any]]:
    one = st.fixed_dictionaries(
        {
            "kind": st.just("attribute"),
            "column": st.just(column),
            "compare": st.sampled_from(
                [
                    prefix + name
                    for name in ("contains", "starts_with", "ends_with")
                    for prefix in ("", "not_")
                ]
                + ["eq", "ne"]
            ),
            "value": _literal_word,
            "ignore_case": st.booleans(),
        }
    )
    pattern = st.fixed_dictionaries(
        {
            "kind": st.just("attribute"),
            "column": st.just(column),
            "compare": st.sampled_from(["matches", "not_matches"]),
            "value": st.sampled_from(["^a", "b$", "[aA]b?", "(a|b)+", "^.$"]),
        }
    )
    return st.one_of(one, pattern, _listed(column))


def _listed(column: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("attribute"),
            "column": st.just(column),
            "compare": st.sampled_from(["in", "not_in"]),
            "value": st.lists(_literal_word, min_size=1, max_size=4),
            "ignore_case": st.booleans(),
        }
    )


_presence = st.builds(
    lambda column, compare: {"kind": "attribute", "column": column, "compare": compare},
    st.sampled_from(sorted(TYPES)),
    st.sampled_from(["is_set", "is_not_set"]),
)
_array_node = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("attribute"),
            "column": st.just("tags"),
            "compare": st.sampled_from(["contains_item", "not_contains_item", "eq", "ne"]),
            "value": _literal_word,
            "ignore_case": st.booleans(),
        }
    ),
    _listed("tags"),
)
_flag_node = st.one_of(
    st.builds(
        lambda compare: {"kind": "attribute", "column": "flag", "compare": compare},
        st.sampled_from(["is_true", "is_false"]),
    ),
    st.builds(
        lambda compare, value: {
            "kind": "attribute",
            "column": "flag",
            "compare": compare,
            "value": value,
        },
        st.sampled_from(["eq", "ne"]),
        st.booleans(),
    ),
)
_relation = st.builds(
    lambda pair, compare: {
        "kind": "attribute",
        "column": pair[0],
        "compare": compare,
        "value": {"column": pair[1]},
    },
    st.sampled_from(
        [
            ("whole", "money"),
            ("money", "wide"),
            ("wide", "whole"),
            ("whole", "whole"),
            ("whole", "ratio"),
            ("ratio", "money"),
            ("wide", "ratio"),
            ("day", "moment"),
            ("moment", "day"),
        ]
    ),
    st.sampled_from(_ORDER),
)
_text_relation = st.builds(
    lambda compare, fold: {
        "kind": "attribute",
        "column": "word",
        "compare": compare,
        "value": {"column": "other_word"},
        "ignore_case": fold,
    },
    st.sampled_from(["eq", "ne"]),
    st.booleans(),
)
_ago = st.builds(
    lambda column, compare, duration: {
        "kind": "attribute",
        "column": column,
        "compare": compare,
        "value": {"ago": duration},
    },
    st.sampled_from(["day", "moment"]),
    st.sampled_from(["gt", "gte", "lt", "lte"]),
    _durations,
)
attributes = st.one_of(
    _text_node("word"),
    *(
        _ordered(column, _literal_number, key=_number_key)
        for column in ("whole", "money", "wide", "ratio")
    ),
    _ordered("day", _literal_day, key=str),
    _ordered("moment", _literal_day, key=str),
    st.builds(
        lambda compare, value: {
            "kind": "attribute",
            "column": "moment",
            "compare": compare,
            "value": value,
        },
        st.sampled_from(_ORDER),
        _literal_time,
    ),
    _presence,
    _array_node,
    _flag_node,
    _relation,
    _text_relation,
    _ago,
)


def _nested(leaf: Any, size: int) -> Any:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(
                lambda kind, of: {"kind": kind, "of": of},
                st.sampled_from(["all", "any"]),
                st.lists(inner, max_size=3),
            ),
            st.builds(lambda of: {"kind": "not", "of": of}, inner),
        ),
        max_leaves=size,
    )


row_conditions = _nested(attributes, 4)
_numeric = st.sampled_from(["whole", "money", "wide", "ratio"])


@st.composite
def rows_nodes(draw: st.DrawFn) -> dict[str, Any]:
    table = draw(st.sampled_from(sorted(TIMES)))
    node: dict[str, Any] = {"kind": "rows", "table": table}
    if draw(st.booleans()):
        node["where"] = draw(row_conditions)
    if TIMES[table] and draw(st.booleans()):
        node["window"] = draw(_windows)
    if TIMES[table] and draw(st.integers(0, 3)) == 0:
        node["include_future"] = True
    function = draw(
        st.sampled_from(["count", "count_distinct", "sum", "avg", "min", "max", "exists"])
    )
    node["aggregate"] = {"function": function}
    if function == "exists":
        return node
    literals, key = _literal_number, _number_key
    if function == "count_distinct":
        node["aggregate"]["column"] = draw(st.sampled_from(sorted(TYPES.keys() - {"tags"})))
    elif function != "count":
        # Sums of doubles depend on their order; the reference adds in another one.
        node["aggregate"]["column"] = draw(
            _numeric if function in ("min", "max") else _numeric.filter(lambda c: c != "ratio")
        )
        if function in ("min", "max") and draw(st.booleans()):
            node["aggregate"]["column"], literals, key = "day", _literal_day, str  # type: ignore[assignment]
    compared = draw(_ordered("x", literals, key=key))
    return node | {"compare": compared["compare"], "value": compared["value"]}


_windows = st.one_of(
    st.builds(lambda d: {"last": d}, _durations),
    st.builds(lambda a: {"from": a}, _literal_time),
    st.builds(lambda b: {"to": b}, _literal_time),
    st.builds(
        lambda a, b: {"from": a, "to": b},
        st.sampled_from(["2024-01-01", "2026-03-28T10:00:00Z", "2026-03-27"]),
        st.sampled_from(["2026-03-29", "2026-03-29T09:30:00Z", "2026-03-30T00:00:00.000001"]),
    ),
)
conditions = _nested(st.one_of(attributes, rows_nodes(), st.just({"kind": "everyone"})), 6)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    rules = [{"where": where} for where in draw(st.lists(conditions, min_size=1, max_size=3))]
    for rule in rules[1:]:
        rule["combine"] = draw(st.sampled_from(["union", "intersect", "except"]))
    zones = ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu"]
    return {"name": "s", "timezone": draw(st.sampled_from(zones)), "rules": rules}
