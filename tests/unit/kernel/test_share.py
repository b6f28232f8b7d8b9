"""Shares of a batch's work: own work alone, common work divided, nothing lost."""

from __future__ import annotations

import pytest
from tests.unit.kernel.planning import AS_OF, CATALOG, attribute, count, planned

from muster_core.kernel.plan import compile_plan
from muster_core.kernel.share import shares_of, work_of


def test_work_is_borne_alone_or_divided_among_those_who_need_it() -> None:
    often, many = count(value=5), count(value=1, window={"last": "30 days"})
    british = attribute("country", "eq", "GB")
    segments = [
        planned("a", often),
        planned("b", count(value=9), british),
        planned("c", many, {"kind": "all", "of": [british, attribute("plan", "eq", "x")]}),
    ]
    work = work_of(compile_plan(segments, CATALOG, AS_OF), 10, {"orders": 1_000})
    # a and b compare the same count; the country is asked for once, the plan by c alone
    assert work == {ord("a"): 500, ord("b"): 505, ord("c"): 1_015}
    assert sum(shares_of(work).values()) == pytest.approx(1)


def test_ranking_reads_the_rows_twice_and_a_reference_costs_nothing() -> None:
    by = {"table": "orders", "aggregate": {"function": "sum", "column": "total"}}
    top = {"kind": "top", "by": by, "limit": 3}
    segments = [planned("a", top), planned("b", {"kind": "segment", "name": "a"})]
    work = work_of(compile_plan(segments, CATALOG, AS_OF), 10, {"orders": 1_000})
    assert work == {ord("a"): 2_000, ord("b"): 0}
    assert shares_of(work) == {ord("a"): 1.0, ord("b"): 0.0}


def test_without_any_work_everybody_bears_the_same() -> None:
    assert shares_of({1: 0.0, 2: 0.0}) == {1: 0.5, 2: 0.5}
    assert shares_of({}) == {}
