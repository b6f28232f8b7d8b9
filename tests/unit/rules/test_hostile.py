"""Hostile rules, H1 to H20 of the threat list: refused with their place, or taken as the plain data they are.

The language has no globs (H12) and interpolates nothing (H9), so both are tried as literals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.errors import InvalidInput, Problem
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.rules.check import Known, check_segments
from muster_core.rules.document import parse_segment
from muster_core.rules.text import read_documents

CATALOG = Catalog(
    profile=Table(
        name="customers",
        source=Source(parquet="/x"),
        columns={
            "id": "integer",
            "name": "text",
            "age": "integer",
            "score": "float",
            "seen": "timestamp",
            "born": "date",
        },
    ),
    key="id",
    tables={
        "orders": Table(
            name="orders",
            source=Source(parquet="/x"),
            columns={"customer": "integer", "at": "timestamp"},
            time="at",
        )
    },
    relationships=[
        Relationship.model_validate({"name": "r", "from": "orders.customer", "to": "customers.id"})
    ],
)
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def _is(column: str, compare: str, value: Any) -> dict[str, Any]:
    return {"kind": "attribute", "column": column, "compare": compare, "value": value}


def _rows(**more: Any) -> dict[str, Any]:
    return {"kind": "rows", "table": "orders", "aggregate": {"function": "exists"}} | more


def _problems(where: Any, name: str = "s") -> list[Problem]:
    try:
        document = parse_segment({"name": name, "rules": [{"where": where}]})
    except InvalidInput as exc:
        return exc.problems
    return check_segments([document], CATALOG)


LITERALS = [
    "z' OR '1'='1",  # H1
    "'); DROP TABLE refresh_run;--",  # H2
    "reflect('java.lang.System','getProperty','user.name')",  # H7
    "${spark.hadoop.fs.s3a.secret.key}",  # H9
    "{{ env.SECRET }}",
    "*a*a*a*a*a*a*b",  # H12
    "\x1b[2J\n",
]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"rules": [{"where": _is("name", "eq", "a\0b")}]}, "/rules/0/where/value"),
        ({"rules": [{"where": _is("name", "in", ["a", "b\0"])}]}, "/rules/0/where/value/1"),
        ({"rules": [{"where": "name = 'a\0b'"}]}, "/rules/0/where"),
        ({"display_name": "\0"}, "/display_name"),
        ({"tags": ["x", "\0"]}, "/tags/1"),
        ({"manual": {"add": ["\0"]}}, "/manual/add/0"),
        ({"description": "\ud800"}, "/description"),
    ],
)
def test_what_no_database_can_hold_is_refused_at_its_place(
    document: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_segment({"name": "s"} | document)
    assert [problem.pointer for problem in raised.value.problems] == [pointer]


@pytest.mark.parametrize("text", LITERALS)
@pytest.mark.parametrize("compare", ["eq", "contains", "starts_with"])
def test_hostile_text_is_a_literal_and_nothing_else(text: str, compare: str) -> None:
    where = _is("name", compare, text)
    assert _problems(where) == []
    document = parse_segment({"name": "s", "rules": [{"where": where}]})
    planned = PlannedSegment(segment_id=1, document=document, previous=None)
    plan = json.loads(compile_plan([planned], CATALOG, AS_OF).to_json())
    predicate = plan["conditions"][0]["predicate"]
    assert predicate.get("text", *predicate.get("texts", [None])) == text


@pytest.mark.parametrize(
    ("where", "pointer"),
    [
        (_is("name` OR 1=1 -- ", "eq", "x"), "/column"),  # H3
        (_is("*", "eq", "x"), "/column"),  # H4
        (_is("profile.__class__", "eq", "x"), "/column"),  # H5
        (_is("a.b.c.d.e.f", "eq", "x"), "/column"),
        (_is("customers.__init__.__globals__", "eq", "x"), "/column"),
        (_is("name", "expr", "reflect('java.lang.Runtime','getRuntime')"), "/compare"),  # H6
        (_rows(table="text.`/etc/passwd`"), "/table"),  # H8
        (_rows(table="parquet.`s3a://x`"), "/table"),
        (_rows(via=["r; DROP TABLE x"]), "/via"),
        (_rows(aggregate={"function": "reflect", "column": "x"}), "/aggregate/function"),
        (_is("name", "matches", "(?<=a)b"), "/value"),  # H11
        (_is("name", "matches", "\\1"), "/value"),
        (_is("name", "matches", "[[:alpha:]"), "/value"),
        (_is("name", "matches", "("), "/value"),
        (_is("name", "in", ["x"] * 10_001), "/value"),  # H14, within the size of a document
        (_is("age", "eq", "1e400"), "/value"),  # H15
        (_is("age", "eq", "NaN"), "/value"),
        (_is("age", "eq", "٣"), "/value"),
        (_is("score", "gt", "1e400"), "/value"),
        (_is("age", "between", [5, 1]), "/value"),  # H16
        ({"kind": "not"}, "/of"),
        (_is("born", "eq", "2026-02-30"), "/value"),  # H17
        (_is("born", "eq", "9999-12-31"), "/value"),
        (_is("born", "eq", "0000-00-00"), "/value"),
        (_is("seen", "eq", "2026-01-01T24:00"), "/value"),
        (_is("seen", "eq", "2026-01-01T23:59:60Z"), "/value"),
        (_rows(window={"last": "-5 days"}), "/window/last"),  # H18
        (_rows(window={"last": "0 days"}), "/window/last"),
        (_rows(window={"last": "99999999 years"}), "/window/last"),
        (_rows(window={"last": "9" * 5000 + " days"}), "/window/last"),
        ({"kind": "segment", "name": "s"}, "/name"),  # H19
        ({"kind": "segment", "name": "gone"}, "/name"),
        ({"kind": "all", "of": {}}, "/of"),  # H20
        ({"kind": "everyone", "op": "eq"}, "/op"),
        ({"kind": ["all"], "of": []}, ""),
        ([], ""),
        (5, ""),
    ],
)
def test_hostile_rules_are_refused_at_their_place(where: Any, pointer: str) -> None:
    problems = _problems(where)
    assert problems
    assert problems[0].pointer.startswith(f"/rules/0/where{pointer}")
    assert all(len(str(problem)) < 2_000 for problem in problems)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*a){20}b", "((a*)*)*b"])  # H10
def test_patterns_that_explode_elsewhere_are_taken_at_once(pattern: str) -> None:
    began = time.perf_counter()
    assert _problems(_is("name", "matches", pattern)) == []
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [("-0.0", 0), (9223372036854775808, 2**63), (-9223372036854775809, -(2**63) - 1)],
)
def test_numbers_at_the_edge_are_exact(value: Any, expected: int) -> None:  # H15
    document = parse_segment({"name": "s", "rules": [{"where": _is("age", "eq", value)}]})
    planned = PlannedSegment(segment_id=1, document=document, previous=None)
    (node,) = compile_plan([planned], CATALOG, AS_OF).conditions
    assert node.predicate.ranges == ((expected, expected),)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["all", "any"])
def test_an_empty_group_is_nobody_and_not_of_it_everybody(kind: str) -> None:  # H16
    assert _problems({"kind": kind, "of": []}) == []
    assert _problems({"kind": "not", "of": {"kind": kind, "of": []}}) == []


def _nested_not(depth: int) -> Any:
    node: dict[str, Any] = {"kind": "everyone"}
    for _ in range(depth):
        node = {"kind": "not", "of": node}
    return node


def _nested_all(depth: int) -> Any:
    node: dict[str, Any] = {"kind": "everyone"}
    for _ in range(depth):
        node = {"kind": "all", "of": [node]}
    return node


def _nested_list(depth: int) -> Any:
    node: Any = []
    for _ in range(depth):
        node = [node]
    return node


@pytest.mark.parametrize("make", [_nested_not, _nested_all, _nested_list])  # H13
def test_a_nesting_bomb_is_refused_in_less_than_50_ms(make: Callable[[int], Any]) -> None:
    bomb = make(10_000)
    best = 1.0
    for _ in range(3):
        began = time.perf_counter()
        (problem,) = _problems(bomb)
        best = min(best, time.perf_counter() - began)
        assert "nested deeper" in problem.message
    assert best < 0.05


@pytest.mark.parametrize("opening", ["{kind: not, of: ", "[", '{"of": ['])
def test_a_nesting_bomb_as_text_is_refused(opening: str) -> None:  # H13
    text = f"name: s\nrules: [{{where: {opening * 10_000}"
    with pytest.raises(InvalidInput):
        read_documents(text, file="bomb.yaml")


def test_a_list_of_half_a_million_values_is_refused() -> None:  # H14
    began = time.perf_counter()
    problems = _problems(_is("age", "in", list(range(500_001))))
    assert "more than 400000 values" in str(problems[0])
    assert time.perf_counter() - began < 2


def test_a_circle_of_references_is_refused_with_its_names() -> None:  # H19
    documents = [
        parse_segment({"name": a, "rules": [{"where": {"kind": "segment", "name": b}}]})
        for a, b in (("a", "b"), ("b", "c"))
    ]
    known = Known(segments={"c": ["a"]})
    problems = check_segments(documents, CATALOG, known=known)
    assert ["a -> b -> c -> a" in problems[0].message, len(problems)] == [True, 2]
    assert check_segments(documents, CATALOG, known=Known(segments={"c": []})) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "s", "rules": [{"where": {"kind": "everyone", "kind": "any"}}]}',  # H20
        "name: s\nname: t\n",
        "name: s\nrules: !!python/object/apply:os.system ['true']\n",
        "name: &a [*a]\n",
    ],
)
def test_text_with_repeated_keys_tags_or_loops_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_documents(text, file="hostile.yaml")
