from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from muster_core.runs.reference import Blocker
from muster_core.runs.selection import Waiting, claim_order, select_runs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def waiting(segment: int, **fields) -> Waiting:
    given = {
        "run_id": 100 + segment,
        "segment_id": segment,
        "due_at": NOON,
        "trigger": "system",
        "priority": 5,
        "available": True,
        "attempts_left": True,
        "cancel_requested": False,
        "requested_as_of": None,
        "system_refresh_id": None,
        "segment_state": "active",
        "segment_type": "dynamic",
        "deleted": False,
    }
    return Waiting(**{**given, **fields})


def blocker(segment: int, referred: Waiting) -> Blocker:
    return Blocker(
        segment_id=segment,
        referred_id=referred.segment_id,
        run_id=referred.run_id,
        due_at=referred.due_at,
    )


def claimed(runs, blockers, limit=1_000) -> list[int]:
    found = select_runs(runs, limit=limit, blockers=blockers)
    return [run.segment_id for run in found.claimed]


def test_runs_referred_to_come_first_in_the_batch() -> None:
    first, second, third = waiting(3), waiting(2), waiting(1)
    assert claimed([third, second, first], [blocker(1, second), blocker(2, first)]) == [3, 2, 1]


def test_a_run_waits_with_everything_behind_it_for_one_that_waits_out_a_back_off() -> None:
    retry, middle, last, other = waiting(3, available=False), waiting(2), waiting(1), waiting(4)
    blockers = [blocker(2, retry), blocker(1, middle)]
    assert claimed([retry, middle, last, other], blockers) == [4]


def test_a_run_does_not_wait_for_one_that_is_due_later() -> None:
    later = waiting(2, due_at=NOON + timedelta(seconds=1), available=False)
    assert claimed([waiting(1), later], [blocker(1, later)]) == [1]


def test_an_older_run_that_a_taken_one_stands_for_holds_nobody_up() -> None:
    old = waiting(2, run_id=7, due_at=NOON - timedelta(hours=1))
    new = waiting(2, run_id=8)
    blockers = [blocker(1, old), blocker(1, new)]
    assert claimed([waiting(1), old, new], blockers) == [2, 1]


def test_runs_of_another_refresh_are_waited_for_and_taken_first() -> None:
    referred = waiting(2, system_refresh_id=1, priority=5)
    urgent = waiting(1, priority=1)
    assert claimed([urgent, referred], [blocker(1, referred)]) == [2]


def test_an_urgent_run_pulls_what_it_refers_to_to_the_front() -> None:
    referred, urgent, other = waiting(2, priority=9), waiting(1, priority=1), waiting(3)
    runs, blockers = [referred, urgent, other], [blocker(1, referred)]
    assert claimed(runs, blockers) == [2, 1, 3]
    assert claimed(runs, blockers, limit=1) == [2]


@st.composite
def graphs(draw):
    size = draw(st.integers(2, 12))
    edges = [
        (user, referred) for user in range(size) for referred in range(user) if draw(st.booleans())
    ]
    names = draw(st.permutations(range(size)))
    runs = {
        names[node]: waiting(
            names[node],
            due_at=NOON + timedelta(minutes=draw(st.integers(0, 2))),
            priority=draw(st.sampled_from([1, 5])),
            system_refresh_id=draw(st.sampled_from([None, 1])),
            available=draw(st.booleans()),
        )
        for node in range(size)
        if draw(st.integers(0, 4))
    }
    pairs = [(names[user], names[referred]) for user, referred in edges]
    return runs, pairs, draw(st.integers(1, 6))


@given(graphs())
def test_any_graph_is_worked_off_in_the_order_of_references_whatever_the_limit(graph) -> None:
    runs, edges, limit = graph
    for _ in range(len(runs) + 1):
        blockers = [blocker(u, runs[r]) for u, r in edges if u in runs and r in runs]
        order = claim_order(list(runs.values()), blockers)
        chosen = [runs[segment] for segment in order[:limit]]
        batch = select_runs(chosen, limit=limit, blockers=blockers).claimed
        if not batch:
            break
        assert len(batch) <= limit
        assert len({run.pin for run in batch}) == 1
        done: set[int] = set()
        for run in batch:
            for user, referred in edges:
                if user == run.segment_id and referred in runs:
                    assert referred in done or runs[referred].due_at > run.due_at
            done.add(run.segment_id)
        for segment in done:
            del runs[segment]
    # whatever is left waits for a back-off, its own or that of something it refers to
    blocked = {segment for segment, run in runs.items() if not run.available}
    for segment in set(runs) - blocked:
        seen, look = set(), [segment]
        while look:
            here = look.pop()
            seen.add(here)
            look += [
                r
                for u, r in edges
                if u == here and r in runs and runs[r].due_at <= runs[here].due_at and r not in seen
            ]
        assert seen & blocked
