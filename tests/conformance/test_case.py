"""The handed-in cases of what peers test, through documents, checks, plan and kernels."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.translation import World, build_world, translate

from muster_core.errors import InvalidInput
from muster_core.kernel.evaluate import Tally, evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.rules.check import check_segments
from muster_core.rules.document import SegmentDocument, parse_segment

CASES = Path(__file__).parents[3] / "shared" / "cases" / "segment_cases.json"
#: What a later issue evaluates; a case that needs it is skipped with this reason.
_LATER_KINDS = ("first_row", "last_row", "sequence", "periods", "held", "segment")


def _cases() -> list[dict[str, Any]]:
    return json.loads(CASES.read_text())["cases"] if CASES.exists() else []


def _needs_later(node: Any) -> str | None:
    if isinstance(node, dict):
        if node.get("op") in _LATER_KINDS:
            return f"condition {node['op']}"
        if node.get("cmp") == "in_window":
            return "in_window"
        window = node.get("window")
        if isinstance(window, dict) and not window.keys() <= {"last", "from", "to"}:
            return f"window {', '.join(window)}"
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((reason for child in children if (reason := _needs_later(child))), None)


def _document(case: dict[str, Any]) -> SegmentDocument:
    rule = case["rule"]
    rules: list[dict[str, Any]] = [{"where": translate(rule)}]
    if "running_counts" in case:
        rules = [{"combine": "intersect", "where": translate(arg)} for arg in rule["args"]]
        del rules[0]["combine"]
    manual = {"add": case.get("manual_add", []), "remove": case.get("manual_remove", [])}
    return parse_segment(
        {"name": "case", "timezone": case["timezone"], "rules": rules, "manual": manual}
    )


def _members(world: World, document: SegmentDocument, now: str) -> tuple[list[str], Tally]:
    assert check_segments([document], world.catalog) == []
    planned = PlannedSegment(segment_id=1, document=document, previous=None)
    plan = compile_plan([planned], world.catalog, datetime.fromisoformat(now))
    result = evaluate(plan, world.partition)
    return [world.keys[i] for i in np.flatnonzero(result.words[:, 0] & 1)], result.tallies[1]


@pytest.mark.skipif(not CASES.exists(), reason=f"the handed-in cases are not at {CASES}")
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_case_has_the_expected_members(case: dict[str, Any]) -> None:
    world = build_world(case)
    later = _needs_later(case["rule"])
    if "expected_error" in case and later != "condition segment":
        document = _document(case)
        assert check_segments([document], world.catalog)
        return
    if later is not None:
        pytest.skip(f"{later} is evaluated in a later issue")
    if "profile_changes" in case["tables"]:
        pytest.skip("attribute history is evaluated in a later issue")
    document = _document(case)
    members, tally = _members(world, document, case["now"])
    assert members == case["expected"]
    assert tally.count == len(members)
    if "running_counts" in case:
        assert list(tally.running) == case["running_counts"]
    for expected in case.get("counts", []):
        assert tally.nodes[_pointer(expected["path"], case)] == expected["count"]
    for later_case in case.get("later", []):
        assert _members(world, document, later_case["now"])[0] == later_case["expected"]


def test_what_is_not_evaluated_yet_is_refused_when_compiled() -> None:
    cases = [case for case in _cases() if _needs_later(case["rule"]) == "window between_ago"]
    if not cases:
        pytest.skip(f"the handed-in cases are not at {CASES}")
    for case in cases:
        world = build_world(case)
        planned = PlannedSegment(segment_id=1, document=_document(case), previous=None)
        with pytest.raises(InvalidInput):
            compile_plan([planned], world.catalog, datetime.fromisoformat(case["now"]))


def _pointer(path: str, case: dict[str, Any]) -> str:
    """Return where a neutral rule's part stands in the translated document."""
    parts = path.split("/")[1:]
    found = "/rules/0/where"
    if "running_counts" in case and parts:
        found, parts = f"/rules/{parts[1]}/where", parts[2:]
    for part in parts:
        found += {"args": "/of", "arg": "/of"}.get(part, f"/{part}")
    return found
