"""Random conditions of every kind and shape the models allow, whether or not a catalog would take them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from muster_core.rules.condition import Compare, Function
from muster_core.rules.expression.word import RESERVED
from muster_core.rules.value import CALENDAR

Node = dict[str, Any]

_COMPARES = Compare.__args__  # type: ignore[attr-defined]
_FUNCTIONS = Function.__args__  # type: ignore[attr-defined]
_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])

names = st.one_of(
    st.sampled_from(["country", "orders", "amount", "order.total", "größe", "a.b.c", "_x"]),
    st.sampled_from(sorted(RESERVED)),
    st.sampled_from(
        [
            "`",
            "a`b",
            "a b",
            "",
            ".",
            "a.",
            "1a",
            "Last",
            "d\u0131stinct",
            "di\u017ftinct",
            "a.`",
            "😀",
        ]
    ),
    st.text(_CHARACTERS, max_size=6),
)
texts = st.one_of(
    st.sampled_from(
        ["", "GB", "it's", '"', "\\", "\\'", "''", "a\nb", "\r\n", "😀", "\x01", "2026-03-01"]
    ),
    st.text(_CHARACTERS, max_size=8),
)
numbers = st.one_of(
    st.integers(-(10**75), 10**75),
    st.integers(-20, 20),
    st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("1.50"), Decimal("-0.0"), Decimal("1e-70"), Decimal("1.5E+3")]),
)
literals = st.one_of(texts, numbers, st.booleans())
durations = st.one_of(
    st.builds(
        lambda n, u: f"{n} {u}{'' if n == 1 else 's'}", st.integers(1, 90), st.sampled_from(_UNITS)
    ),
    st.sampled_from(["1 days", "2 day", "007  weeks", "1 month", "1  month", "12 quarter"]),
)
_via = st.lists(names, max_size=3)
_counts = st.integers(1, 1000)


def _some(required: Node, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.fixed_dictionaries(required, optional=optional)


_forms = st.one_of(
    _some({"last": durations}),
    _some({"next": durations}),
    _some({"between_ago": st.tuples(durations, durations)}),
    _some({"before_ago": durations}),
    _some({"from": texts}, to=texts),
    _some({"to": texts}),
    _some({"calendar": st.sampled_from(CALENDAR)}),
    _some({"day_offset": st.integers(-36_600, 36_600)}),
)
windows = st.builds(
    lambda form, on: form if on is None else form | {"on": on}, _forms, st.none() | names
)
values = st.one_of(
    literals,
    st.lists(literals, max_size=4),
    _some({"column": names}),
    _some({"ago": durations}),
    _some({"ahead": durations}),
    windows,
)
_compare = st.sampled_from(_COMPARES)
_natural = st.one_of(
    _some(
        {"compare": st.sampled_from(["eq", "ne", "gt", "contains", "matches"]), "value": literals}
    ),
    _some({"compare": st.sampled_from(["in", "not_in"]), "value": st.lists(literals, min_size=1)}),
    _some({"compare": st.sampled_from(["in_window", "not_in_window"]), "value": windows}),
    _some(
        {
            "compare": st.sampled_from(["between", "not_between"]),
            "value": st.tuples(numbers, numbers),
        }
    ),
    _some(
        {"compare": st.sampled_from(["day_of", "month_of"]), "value": numbers | st.lists(numbers)}
    ),
    _some({"compare": st.just("anniversary_in_window"), "value": windows}),
)
_tests = _natural | _some({"compare": _compare}, value=values)
attributes = st.builds(
    lambda node, tested: node | tested,
    _some({"kind": st.just("attribute"), "column": names}, ignore_case=st.booleans(), via=_via),
    _tests,
)


def _groups(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        _some({"kind": st.sampled_from(["all", "any"]), "of": st.lists(inner, max_size=3)}),
        _some({"kind": st.just("not"), "of": inner}),
    )


rows = st.recursive(attributes, _groups, max_leaves=4)
_related: dict[str, st.SearchStrategy[Any]] = {"table": names}
_where: dict[str, st.SearchStrategy[Any]] = {"via": _via, "where": rows}
_aggregates = _some(
    {"function": st.sampled_from(_FUNCTIONS)}, column=st.none() | names, order_by=st.none() | names
)
measurables = _some(
    _related | {"aggregate": _aggregates},
    **_where,
    window=windows,
    include_future=st.booleans(),
)
_sides = measurables | _some({"measure": names})


def _kind(name: str, fields: Node, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return _some({"kind": st.just(name)} | fields, **optional)


_rows = st.builds(
    lambda node, tested: {"kind": "rows"} | node | tested,
    measurables,
    st.one_of(_tests, st.just({}), _some({"value": values})),
)
_periods = st.builds(
    lambda node, tested: node | tested,
    _kind(
        "periods",
        _related | {"period": durations, "of_last": _counts, "at_least": _counts},
        **_where,
    ),
    st.one_of(_natural, _some({"compare": _compare, "value": values})),
)
_measures = st.builds(lambda node, tested: node | tested, _kind("measure", {"name": names}), _tests)
_held = _kind(
    "held",
    {
        "column": names,
        "value": literals,
        "compare": st.sampled_from(["gte", "lt"]),
        "duration": durations,
    },
    history=st.none() | names,
)
_compared = _kind(
    "compare",
    {
        "left": _sides,
        "right": _sides,
        "compare": st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
    },
    times=literals | st.just(1),
)
leaves = st.one_of(
    attributes,
    _rows,
    _kind("everyone", {}),
    _kind("first_row", _related | {"window": windows}, **_where),
    _kind("last_row", _related | {"having": rows}, **_where),
    _kind(
        "sequence",
        {
            "table": names,
            "steps": st.lists(rows, min_size=2, max_size=5),
            "within": durations,
            "window": windows,
        },
        via=_via,
    ),
    _periods,
    _held,
    _kind("segment", {"name": names}, policy=st.sampled_from(["use_last", "skip"])),
    _measures,
    _compared,
    _kind(
        "top",
        {"by": measurables | _some({"column": names}, via=_via)},
        limit=st.none() | st.integers(1, 10**9),
        percent=st.none() | literals,
        descending=st.booleans(),
    ),
    _kind("sample", {"percent": literals, "salt": texts}),
)
_conditions = st.recursive(leaves, _groups, max_leaves=5)


@st.composite
def any_condition(draw: st.DrawFn) -> Node:
    """Draw a condition; behind a function, since the strategy itself prints as a book."""
    return draw(_conditions)
