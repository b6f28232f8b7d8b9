"""The reference evaluator itself has the members that the case files say."""

from __future__ import annotations

import pytest
import xxhash
from tests.conformance.case import Case, all_cases
from tests.conformance.reference import Reference, sampled, splitmix64

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


def test_a_sample_goes_by_the_published_hash_of_the_key() -> None:
    assert xxhash.xxh64_intdigest(b"C1", seed=42) == 15_225_747_416_292_411_050
    assert splitmix64(0) == 16_294_208_416_658_607_535  # the generator's first number for seed 0
    share = sum(sampled(20, "salt", f"C{number}") for number in range(10_000))
    assert 1_900 < share < 2_100
    assert {n for n in range(500) if sampled(10, "a", n)} != {
        n for n in range(500) if sampled(10, "b", n)
    }
