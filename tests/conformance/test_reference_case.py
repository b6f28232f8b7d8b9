"""The reference evaluator itself has the members that the case files say."""

from __future__ import annotations

import pytest
from tests.conformance.case import Case, all_cases
from tests.conformance.reference import Reference

_CASES = [case for case in all_cases() if case.members is not None]


def test_there_are_at_least_150_cases_each_with_a_title_of_its_own() -> None:
    every = all_cases()
    assert len({case.id for case in every}) == len(every)
    assert len(every) >= 150


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_the_reference_has_the_expected_members(case: Case) -> None:
    reference = Reference(world=case.world, as_of=case.as_of)
    assert sorted(reference.members(case.means)) == case.members
    if case.projected is not None:
        assert reference.projected(case.means) == case.projected
