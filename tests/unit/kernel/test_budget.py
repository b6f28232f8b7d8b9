"""Memory of a task: estimated upwards, kept within by passes and splits, refused by name where it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.unit.kernel.measured import AS_OF, CATALOG, segment

from muster_core.errors import TaskMemoryExceeded
from muster_core.kernel.budget import PROCESS_BYTES, cut, least_memory, most_memory
from muster_core.kernel.extent import Extent
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.rules.document import parse_segment

EXTENT = Extent(customers=250_000, rows={"orders": 10_000_000})


def _plan(*segments: PlannedSegment) -> Plan:
    return compile_plan(segments, CATALOG, AS_OF)


def _measured(mib: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.unit.kernel.measured", str(mib)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_thousand_segments_keep_within_the_estimate_and_a_budget() -> None:
    whole, tight = _measured(0), _measured(400)
    # the same members and counts, however it was cut
    assert whole["result"] == tight["result"]
    assert (whole["passes"], whole["splits"]) == (1, 1)
    assert tight["passes"] > 4
    # an estimate is never too small, and says something where memory is large
    assert whole["taken"] <= whole["estimated"] <= 1.6 * whole["taken"]
    assert tight["taken"] <= tight["estimated"] <= (400 << 20) - PROCESS_BYTES
    assert tight["taken"] < whole["taken"] / 2


def test_passes_and_splits_stay_within_the_memory_that_is_given() -> None:
    plan = _plan(*(segment(number) for number in range(400)))
    least = least_memory(plan, EXTENT)
    unbounded = most_memory(plan, EXTENT)
    for memory in (least, (least + unbounded) // 2, unbounded):
        assert most_memory(plan, EXTENT, memory) <= memory
    assert len(cut(plan, EXTENT, unbounded)) == len(cut(plan, EXTENT, unbounded)[0].passes) == 1
    assert len(cut(plan, EXTENT, least)) > 1


def test_every_segment_and_condition_is_decided_whatever_the_memory() -> None:
    plan = _plan(*(segment(number) for number in range(200)))
    for memory in (None, least_memory(plan, EXTENT)):
        splits = cut(plan, EXTENT, memory)
        assert sorted(place for split in splits for place in split.segments) == list(range(200))
        assert {place for split in splits for place in split.conditions} == set(
            range(len(plan.conditions))
        )


def test_windows_that_nest_stay_in_one_pass_where_they_fit() -> None:
    plan = _plan(*(segment(number) for number in range(400)))
    folds = plan.tables["orders"].folds
    splits = cut(plan, EXTENT, (least_memory(plan, EXTENT) + most_memory(plan, EXTENT)) // 2)
    families = [
        {(folds[place].function, folds[place].where) for place in made.folds["orders"]}  # type: ignore[union-attr]
        for split in splits
        for made in split.passes
    ]
    # 4 functions over 3 states: each is begun anew at most once a pass
    assert sum(map(len, families)) <= 12 * len(splits) + len(families)


def test_what_does_not_fit_alone_is_refused_by_name() -> None:
    plan = _plan(segment(7))
    least = least_memory(plan, EXTENT)
    assert len(cut(plan, EXTENT, least)) == 1
    with pytest.raises(TaskMemoryExceeded, match=r"The segment spenders needs .* MiB") as caught:
        cut(plan, EXTENT, least - 1, {7: "spenders"})
    assert "MUSTER_TASK_MEMORY" in str(caught.value)


def test_segments_that_are_referred_to_come_first_and_are_kept() -> None:
    def refers(number: int) -> PlannedSegment:
        document = parse_segment(
            {
                "name": f"r{number}",
                "rules": [{"where": {"kind": "segment", "name": f"s{number + 1}"}}],
            }
        )
        return PlannedSegment(segment_id=1_000 + number, document=document, previous=None)

    plan = _plan(*(refers(n) for n in range(40)), *(segment(n) for n in range(1, 41)))
    order = [p for s in cut(plan, EXTENT, least_memory(plan, EXTENT)) for p in s.segments]
    assert all(order.index(place) > order.index(40 + place) for place in range(40))


def test_a_partition_is_measured_by_its_largest() -> None:
    sizes = [(5, {"orders": 7}), (9, {"orders": 3}), (0, {})]
    assert Extent.largest(sizes) == Extent(customers=9, rows={"orders": 7})
