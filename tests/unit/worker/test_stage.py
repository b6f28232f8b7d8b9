"""Batches whose segments refer to each other, some of which make every evaluation fail they are part of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from muster_core.errors import TerminalError
from muster_core.lake.manifest import Pointer
from muster_core.rules.document import parse_segment
from muster_core.rules.reference import references_of
from muster_core.runs.freshness import NotFresh, Standing, not_fresh
from muster_core.runs.state import Reason
from muster_core.storage.claim import ClaimedRun
from muster_core.storage.reference import Referred
from muster_worker.evaluate.reference import References
from muster_worker.evaluate.stage import evaluate_stages

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run(number: int, refers: dict[int, str]) -> ClaimedRun:
    of = [{"kind": "segment", "name": f"s{n}", "policy": p} for n, p in refers.items()]
    where = {"kind": "any", "of": of} if of else {"kind": "everyone"}
    return ClaimedRun(
        run_id=number,
        segment_id=number,
        name=f"s{number}",
        document=parse_segment({"name": f"s{number}", "rules": [{"where": where}]}),
        rule_rev=1,
        rule_hash="",
        due_at=NOON,
        attempt=1,
        previous=None,
        previous_version=None,
    )


def standing(**fields) -> Standing:
    given = {
        "state": "active",
        "type": "dynamic",
        "deleted": False,
        "version": 3,
        "published_due_at": NOON - timedelta(days=1),
        "next_due_at": None,
        "run_state": "published",
        "run_due_at": NOON - timedelta(days=1),
    }
    return Standing(**{**given, **fields})


def published(number: int, version: int | None = 3) -> Referred:
    return Referred(
        name=f"s{number}",
        standing=standing(version=version),
        pointer=None if version is None else Pointer(manifest="m", manifest_sha256="0", bit=number),
        as_of=NOON,
        published_at=NOON,
        age_seconds=60.0,
    )


class Engine:
    """Fails for every part in which a guilty segment is, and notes what was evaluated with what."""

    def __init__(self, guilty: set[str]) -> None:
        self.guilty = guilty
        self.calls: list[tuple[list[str], list[str]]] = []

    def __call__(self, part: Sequence[ClaimedRun], support: Sequence[ClaimedRun]) -> list[str]:
        names, along = [r.name for r in part], [r.name for r in support]
        self.calls.append((names, along))
        if self.guilty & {*names, *along}:
            raise TerminalError("a task failed")
        return names


def evaluate(runs, engine, referred=()):
    references = References(as_of=NOON, referred={r.name: r for r in referred})
    return evaluate_stages(runs, references, engine), references


def test_a_batch_that_succeeds_is_evaluated_once():
    engine = Engine(set())
    found, _ = evaluate([run(0, {}), run(1, {0: "skip"}), run(2, {1: "skip"})], engine)
    assert engine.calls == [(["s0", "s1", "s2"], [])]
    assert found.guilty == []


def test_a_guilty_one_fails_alone_and_its_dependants_do_as_their_references_say():
    runs = [
        run(0, {}),
        run(1, {0: "use_last"}),
        run(2, {0: "skip"}),
        run(3, {1: "skip"}),
        run(4, {}),
    ]
    engine = Engine({"s0"})
    found, references = evaluate(runs, engine, [published(0), published(1)])
    assert [r.name for r, _ in found.guilty] == ["s0"]
    assert sorted(name for part in found.results for name in part) == ["s1", "s3", "s4"]
    assert [(s.run.name, s.reason) for s in references.skipped] == [("s2", Reason.UPSTREAM_FAILED)]
    fallen, beside = references.inputs[1].segments[0], references.inputs[3].segments[0]
    assert (fallen.same_batch, fallen.version, fallen.reason) == (False, 3, NotFresh.FAILED)
    assert (beside.same_batch, beside.run_id, beside.reason) == (True, 1, None)


def test_many_dependants_of_a_guilty_one_cost_no_evaluation_each():
    runs = [run(0, {}), *(run(n, {0: "use_last"}) for n in range(1, 300))]
    engine = Engine({"s0"})
    found, _ = evaluate(runs, engine, [published(0)])
    assert [r.name for r, _ in found.guilty] == ["s0"]
    assert len(engine.calls) == 3


def test_without_members_to_fall_back_to_no_policy_helps():
    found, references = evaluate([run(1, {0: "use_last"}), run(2, {7: "use_last"})], Engine(set()))
    assert found.results == []
    assert {s.reason for s in references.skipped} == {Reason.REFERENCE_NEVER_PUBLISHED}


@st.composite
def batches(draw):
    size = draw(st.integers(1, 14))
    policy = st.sampled_from(["use_last", "skip"])
    runs = [
        run(n, {m: draw(policy) for m in range(n) if draw(st.integers(0, 3)) == 0})
        for n in range(size)
    ]
    some = st.sets(st.integers(0, size - 1))
    guilty = {f"s{n}" for n in draw(some) if draw(st.integers(0, 2)) == 0}
    return runs, guilty, [published(n) for n in draw(some)]


@given(batches())
def test_whoever_is_guilty_everybody_else_is_evaluated_consistently_or_skipped(batch):
    runs, guilty, referred = batch
    engine = Engine(guilty)
    found, references = evaluate(runs, engine, referred)
    good = [name for part in found.results for name in part]
    failed = [r.name for r, _ in found.guilty]
    skipped = [s.run.name for s in references.skipped]
    assert sorted(good + failed + skipped) == sorted(r.name for r in runs)
    assert set(failed) <= guilty
    stored = {r.name for r in referred}
    for one in runs:
        if one.name not in good:
            continue
        for entry in references.inputs[one.run_id].segments:
            # never members of a run that was not evaluated, and the same for every part
            assert entry.same_batch == (entry.segment in good)
            assert entry.same_batch or entry.segment in stored
    names = {r.name: r for r in runs}
    for part, along in engine.calls:
        for name in part:
            wanted = references_of(names[name].document) & set(good)
            if name in good and part in found.results:
                assert wanted <= {*part, *along}


def test_members_are_fresh_or_say_why_not():
    assert not_fresh(standing(), due_at=NOON) is None
    assert not_fresh(standing(version=None), due_at=NOON) == NotFresh.NEVER_PUBLISHED
    assert not_fresh(standing(readable=False), due_at=NOON) == NotFresh.OTHER_STORE
    assert not_fresh(standing(deleted=True), due_at=NOON) == NotFresh.DELETED
    assert not_fresh(standing(state="draft"), due_at=NOON) == NotFresh.DRAFT
    assert not_fresh(standing(state="inactive"), due_at=NOON) == NotFresh.INACTIVE
    assert not_fresh(standing(run_state="failed", run_due_at=NOON), due_at=NOON) == NotFresh.FAILED
    for state in ("pending", "running", "cancelled", "skipped", "held"):
        late = standing(run_state=state, run_due_at=NOON)
        why = NotFresh.SKIPPED if state == "skipped" else NotFresh.STALE
        assert not_fresh(late, due_at=NOON) == why
        assert not_fresh(late, due_at=NOON - timedelta(seconds=1)) is None
    assert not_fresh(standing(next_due_at=NOON), due_at=NOON) == NotFresh.STALE
    by_hand = standing(type="static", run_state="pending", run_due_at=NOON)
    assert not_fresh(by_hand, due_at=NOON) is None
