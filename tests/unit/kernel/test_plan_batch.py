"""What a batch shares: references, measures, sides, samples and ranks."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import xxhash
from tests.unit.kernel.planning import AS_OF, CATALOG, attribute, count, plan_of, planned

from muster_core.errors import InvalidInput
from muster_core.kernel.node import (
    CompareNode,
    MemberNode,
    Operand,
    Rank,
    RankColumn,
    SampleNode,
    StoredNode,
    Threshold,
    TopNode,
)
from muster_core.kernel.plan import Plan, compile_plan
from muster_core.lake.manifest import Pointer
from muster_core.rules.measure import MeasureDocument


def test_references_mean_the_batch_first_and_the_order_of_bits_stays() -> None:
    version = Pointer(manifest="m", manifest_sha256="h", bit=3)
    member = {"kind": "segment", "name": "b"}
    stored = {"kind": "segment", "name": "old"}
    segments = [planned("a", member, stored), planned("b", attribute("country", "eq", "GB"))]
    plan = compile_plan(segments, CATALOG, AS_OF, stored={"old": version, "b": version})
    assert plan.bits == {ord("a"): 0, ord("b"): 1}
    assert plan.conditions[1:] == (MemberNode(segment=1), StoredNode(version=version))
    assert [segment.rules[0].condition for segment in plan.segments] == [1, 0]


def test_a_reference_to_nothing_and_a_circle_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_of({"kind": "segment", "name": "gone"})
    assert caught.value.problems[0].pointer == "/rules/0/where/name"
    circle = [
        planned("a", {"kind": "segment", "name": "b"}),
        planned("b", {"kind": "segment", "name": "a"}),
    ]
    with pytest.raises(InvalidInput) as caught:
        compile_plan(circle, CATALOG, AS_OF)
    assert "a -> b -> a" in str(caught.value.problems[0])


def test_long_chains_of_references_compile() -> None:
    names = [f"s{i:04}" for i in range(2000)]
    segments = [planned(names[0], {"kind": "everyone"})] + [
        planned(name, {"kind": "segment", "name": before}) for before, name in pairwise(names)
    ]
    plan = compile_plan(segments[::-1], CATALOG, AS_OF)
    assert len(plan.segments) == 2000


SPENT: dict[str, Any] = {
    "table": "orders",
    "aggregate": {"function": "sum", "column": "total"},
    "window": {"calendar": "this_year"},
}
MEASURES = {"spent": MeasureDocument.model_validate({"name": "spent", "by": SPENT})}


def test_a_measure_is_its_aggregate_in_the_zone_of_the_workspace() -> None:
    measure = {"kind": "measure", "name": "spent", "compare": "gt", "value": 10}
    inline = {"kind": "rows", **SPENT, "compare": "gt", "value": 10}
    segments = [planned("a", measure, timezone="Asia/Tokyo"), planned("b", inline)]
    plan = compile_plan(segments, CATALOG, AS_OF, measures=MEASURES)
    assert len(plan.conditions) == 1


def test_two_aggregates_are_held_against_each_other() -> None:
    before = SPENT | {"window": {"between_ago": ["1 year", "6 months"]}}
    condition = {
        "kind": "compare",
        "left": {"measure": "spent"},
        "compare": "gte",
        "right": before,
        "times": 1.5,
    }
    (node,) = plan_of(condition, measures=MEASURES).conditions
    assert node == CompareNode(
        left=Operand(table="orders", fold=0),
        relation="gte",
        right=Operand(table="orders", fold=1),
        times=(15, 1),
    )


def test_a_sample_is_a_hash_of_its_salt_and_a_bound() -> None:
    (node,) = plan_of({"kind": "sample", "percent": "0.005", "salt": "x"}).conditions
    assert node == SampleNode(salt=xxhash.xxh64_intdigest(b"x", seed=42), below=1)
    assert xxhash.xxh64_intdigest(b"C1", seed=42) == 15225747416292411050


def test_the_ranking_job_gets_the_ranks_and_what_they_need() -> None:
    by = SPENT | {"where": attribute("products.category", "eq", "toys")}
    plan = plan_of(
        count(where=attribute("sent_to.name", "eq", "x")),
        {"kind": "top", "by": by, "percent": "2.5", "descending": False},
        {"kind": "top", "by": {"column": "addresses.id"}, "limit": 3},
        {"kind": "top", "by": {"column": "loyalty.points"}, "limit": 3},
        {"kind": "top", "by": by, "percent": 2.5, "descending": False},
    )
    assert plan.conditions[1:] == (TopNode(rank=0), TopNode(rank=1), TopNode(rank=2))
    assert plan.ranks[0] == Rank(
        by=Operand(table="orders", fold=1), descending=False, limit=None, percent=(25, 1)
    )
    assert plan.ranks[1].by == RankColumn(column="addresses.id", kind="integer")
    job = Plan.from_json(plan.rank_plan().to_json())
    assert job.ranks[0].by == Operand(table="orders", fold=0)
    assert set(job.tables) == {"orders", "loyalty"}
    assert list(job.tables["orders"].gathered) == ["products.category"]
    assert len(job.tables["orders"].rows) == len(job.tables["orders"].folds) == 1
    assert job.gathered == plan.gathered
    assert (job.segments, job.conditions) == ((), ())
    nobody = Threshold(words=None, key=None)
    assert plan.with_thresholds([nobody] * 3).thresholds == (nobody,) * 3
    with pytest.raises(ValueError, match="thresholds"):
        plan.with_thresholds([nobody])


def test_equal_parts_of_different_segments_stand_once() -> None:
    held = attribute("country", "is_set")
    condition = {"kind": "all", "of": [held, count(where=attribute("state", "eq", "x"))]}
    turned = {"kind": "all", "of": condition["of"][::-1]}
    plan = compile_plan([planned("a", condition), planned("b", turned)], CATALOG, AS_OF)
    assert len(plan.conditions) == 3
    assert len(plan.tables["orders"].folds) == 1
    assert plan.segments[0].rules == plan.segments[1].rules


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize(
    "window", [{"calendar": "last_year"}, {"calendar": "next_year"}, {"last": "100 years"}]
)
def test_windows_at_the_ends_of_the_calendar_compile_or_are_refused(year: int, window: Any) -> None:
    segment = planned("s", attribute("seen", "in_window", window))
    if (year, *window.values()) in ((1, "next_year"), (9999, "last_year"), (9999, "100 years")):
        compile_plan([segment], CATALOG, datetime(year, 6, 1, tzinfo=UTC))
    else:
        with pytest.raises(InvalidInput, match="problem"):
            compile_plan([segment], CATALOG, datetime(year, 6, 1, tzinfo=UTC))
