"""The cases handed in beside the checkout have the expected members, by the kernels and by the reference."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.product import members_of, refusal_of
from tests.conformance.reference import Reference
from tests.conformance.translation import build_world, document_of

CASES = Path(__file__).parents[3] / "shared" / "cases" / "segment_cases.json"


def _cases() -> list[dict[str, Any]]:
    return json.loads(CASES.read_text())["cases"] if CASES.exists() else []


def _moments(case: dict[str, Any]) -> list[tuple[datetime, list[str]]]:
    every = [case, *case.get("later", [])]
    return [(datetime.fromisoformat(one["now"]), one["expected"]) for one in every]


_ANSWERED = [case for case in _cases() if "expected" in case]
_REFUSED = [case for case in _cases() if "expected_error" in case]
_missing = pytest.mark.skipif(not CASES.exists(), reason=f"the handed-in cases are not at {CASES}")


@_missing
@pytest.mark.parametrize("case", _ANSWERED, ids=lambda case: case["id"])
def test_the_reference_has_the_expected_members(case: dict[str, Any]) -> None:
    for now, expected in _moments(case):
        reference = Reference(world=build_world(case, now.isoformat()), as_of=now)
        assert sorted(reference.members(document_of(case))) == expected


@_missing
@pytest.mark.parametrize("case", _ANSWERED, ids=lambda case: case["id"])
def test_the_kernels_have_the_expected_members(case: dict[str, Any]) -> None:
    document = document_of(case)
    for now, expected in _moments(case):
        found = members_of(build_world(case, now.isoformat()), now, [document])
        assert sorted(found.members[0]) == expected
        assert found.counts == [len(expected)]
    found = members_of(
        build_world(case, case["now"]), datetime.fromisoformat(case["now"]), [document]
    )
    if "running_counts" in case:
        assert found.running[0] == case["running_counts"]
    for counted in case.get("counts", []):
        whole = "running_counts" in case and not counted["path"]
        nodes, pointer = found.nodes[0], _pointer(counted["path"], case)
        assert (found.counts[0] if whole else nodes[pointer]) == counted["count"]


@_missing
@pytest.mark.parametrize("case", _REFUSED, ids=lambda case: case["id"])
def test_what_makes_no_sense_is_refused(case: dict[str, Any]) -> None:
    reasons = {"invalid_window": "far", "cycle": "circle"}
    found = refusal_of(build_world(case, case["now"]), document_of(case))
    assert any(reasons[case["expected_error"]] in problem.message for problem in found), found


def _pointer(path: str, case: dict[str, Any]) -> str:
    """Return where a neutral rule's part stands in the translated document."""
    parts = path.split("/")[1:]
    found = "/rules/0/where"
    if "running_counts" in case and parts:
        found, parts = f"/rules/{parts[1]}/where", parts[2:]
    for part in parts:
        found += {"args": "/of", "arg": "/of"}.get(part, f"/{part}")
    return found
