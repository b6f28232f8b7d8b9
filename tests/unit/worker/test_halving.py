from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster_core.errors import EngineUnavailable, StoreDamaged, TerminalError
from muster_worker.evaluate.halving import halve


def evaluating(guilty: set[int], calls: list[list[int]]):
    def evaluate(part: Sequence[int]) -> list[int]:
        calls.append(list(part))
        if guilty & set(part):
            raise TerminalError("a task failed")
        return list(part)

    return evaluate


def test_a_batch_that_succeeds_is_one_evaluation():
    calls: list[list[int]] = []
    found = halve(range(200), evaluating(set(), calls))
    assert len(calls) == 1
    assert found.results == [list(range(200))]
    assert found.guilty == []


def test_one_guilty_of_two_hundred_stands_alone_after_few_evaluations():
    calls: list[list[int]] = []
    found = halve(range(200), evaluating({137}, calls))
    assert [item for item, _ in found.guilty] == [137]
    assert sorted(itertools.chain(*found.results)) == [n for n in range(200) if n != 137]
    assert len(calls) <= 1 + 2 * 8


@pytest.mark.parametrize("size", [12, 200, 1_000])
def test_neighbours_that_are_guilty_are_found_wherever_they_stand(size: int):
    for start in (0, size // 2, size - 4):
        guilty = set(range(start, start + 4))
        found = halve(range(size), evaluating(guilty, []))
        assert {item for item, _ in found.guilty} == guilty
        assert len(list(itertools.chain(*found.results))) == size - 4


@given(size=st.integers(1, 300), data=st.data())
def test_every_item_is_either_in_one_result_or_guilty_while_guilt_is_rare(size, data):
    guilty = data.draw(st.sets(st.integers(0, size - 1), max_size=7))
    found = halve(range(size), evaluating(guilty, []))
    assert {item for item, _ in found.guilty} == guilty
    assert sorted(itertools.chain(*found.results)) == sorted(set(range(size)) - guilty)


def test_where_everything_fails_the_data_is_to_blame_and_few_evaluations_are_spent():
    calls = 0

    def evaluate(part: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise StoreDamaged("a file is missing")

    with pytest.raises(StoreDamaged):
        halve(range(1000), evaluate)
    assert calls <= 15


def test_a_lost_engine_is_nobodys_guilt():
    calls = 0

    def evaluate(part: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise EngineUnavailable()

    with pytest.raises(EngineUnavailable):
        halve(range(8), evaluate)
    assert calls == 1


def test_a_single_item_that_fails_is_guilty():
    found = halve([7], evaluating({7}, []))
    assert [item for item, _ in found.guilty] == [7]
