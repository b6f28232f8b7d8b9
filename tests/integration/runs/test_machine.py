"""The control database against the pure state machines: the same steps in any order end in the same states."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.integration.runs.conftest import Desk

from muster_core.errors import Conflict, EngineUnavailable, LeaseLost, PoisonSegment
from muster_core.exports.state import DeliveryState, Event, sources, target
from muster_core.runs.backoff import Backoff
from muster_core.runs.state import ACTIVE, IllegalTransition, RunMachine, RunState
from muster_core.storage.claim import Claim
from muster_core.storage.database import transaction
from muster_core.storage.delivery_event import apply_event
from muster_core.storage.run import (
    approve_run,
    cancel_run,
    expire_held,
    publish,
    reap,
    reject_run,
    release,
    retry_run,
    settle_failure,
)

pytestmark = pytest.mark.integration

NAMES = ("first", "second")
AT_ONCE = Backoff(first=timedelta(0))
ATTEMPTS = 3


@dataclass(slots=True)
class Model:
    """One run as it should be."""

    segment: str
    machine: RunMachine
    cancelled: bool = False
    members: int = 0
    steps: int = 1


class RunsInPostgres(RuleBasedStateMachine):
    """Planners, holders, late holders, the reaper and people act on the runs of two segments."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.runs: dict[int, Model] = {}
        self.claims: list[Claim] = []
        self.newest: dict[str, int] = {}
        desk.tell(
            "SET LOCAL session_replication_role = replica; TRUNCATE segment RESTART IDENTITY CASCADE"
        )
        for name in NAMES:
            # an empty version is held from the first one on
            desk.apply(name, gate={"minimum": 1})

    def _do(self, work):
        with transaction(self.desk.engine) as connection:
            return work(connection)

    def _to(self, run_id: int, machine: RunMachine) -> None:
        run = self.runs[run_id]
        run.steps += machine.state is not run.machine.state
        run.machine = machine

    def _held_by(self, claim: Claim, *states: RunState) -> list[int]:
        return [
            i
            for i in claim.run_ids
            if self.runs[i].machine.fence == claim.fence
            and self.runs[i].machine.state in (states or ACTIVE)
        ]

    def _with(self, name: str, *states: RunState) -> list[int]:
        return [i for i, r in self.runs.items() if r.segment == name and r.machine.state in states]

    @rule(names=st.sampled_from([NAMES[:1], NAMES[1:], NAMES]))
    def somebody_asks(self, names: tuple[str, ...]) -> None:
        for asked in self.desk.request(names, max_attempts=ATTEMPTS):
            machine = RunMachine(max_attempts=ATTEMPTS)
            self.runs[asked.run_id] = Model(segment=asked.name, machine=machine)

    @rule()
    def a_worker_claims(self) -> None:
        claim = self.desk.claim()
        expected = set()
        for name in NAMES:
            if self._with(name, *ACTIVE):
                continue
            for run_id in self._with(name, RunState.PENDING):
                # handed back, or put back, after somebody had cancelled it
                if self.runs[run_id].cancelled:
                    self._to(run_id, self.runs[run_id].machine.cancel())
            waiting = sorted(self._with(name, RunState.PENDING))
            if waiting:
                expected.add(waiting[-1])
        assert expected == set(() if claim is None else claim.run_ids)
        if claim is None:
            return
        self.claims.append(claim)
        for run_id in claim.run_ids:
            for older in self._with(self.runs[run_id].segment, RunState.PENDING):
                if older != run_id:
                    self._to(older, self.runs[older].machine.skip())
            self._to(run_id, self.runs[run_id].machine.claim(claim.fence))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), members=st.sampled_from([0, 10]))
    def a_holder_evaluates(self, data: st.DataObject, members: int) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        held = self._held_by(claim, RunState.RUNNING)
        again = self._held_by(claim, RunState.EVALUATED)
        try:
            self.desk.evaluate(claim, members=members)
        except LeaseLost:
            assert not held + again
            return
        assert held or again
        for run_id in held:
            self.runs[run_id].members = members
            machine = self.runs[run_id].machine
            self._to(run_id, machine.move(RunState.EVALUATED, fence=claim.fence))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_holder_publishes(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        evaluated = self._held_by(claim, RunState.EVALUATED)
        try:
            self._do(lambda c: publish(c, claim))
        except LeaseLost:
            assert not evaluated
            return
        for run_id in evaluated:
            run = self.runs[run_id]
            state = RunState.PUBLISHED if run.members else RunState.HELD
            if run_id < self.newest.get(run.segment, 0):
                state = RunState.SUPERSEDED
            if run.cancelled:
                state = RunState.CANCELLED
            self._to(run_id, run.machine.move(state, fence=claim.fence))
            if state is RunState.PUBLISHED:
                self.newest[run.segment] = run_id
            if state in (RunState.PUBLISHED, RunState.HELD):
                for older in self._with(run.segment, RunState.HELD):
                    if older < run_id:
                        self._to(older, self.runs[older].machine.supersede())

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), transient=st.booleans())
    def a_holder_fails(self, data: st.DataObject, transient: bool) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        error = EngineUnavailable() if transient else PoisonSegment()
        held = self._held_by(claim)
        moved = self._do(lambda c: settle_failure(c, claim, claim.run_ids, error, backoff=AT_ONCE))
        assert set(moved) == set(held)
        for run_id in held:
            machine = self.runs[run_id].machine
            self._to(run_id, machine.fail(fence=claim.fence, transient=transient))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_holder_hands_back(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        held = self._held_by(claim)
        assert self._do(lambda c: release(c, claim)) == held
        for run_id in held:
            self._to(run_id, self.runs[run_id].machine.release(fence=claim.fence))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_lease_ends(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        held = self._held_by(claim)
        self.desk.end_lease(claim)
        self._do(lambda c: reap(c, backoff=AT_ONCE))
        for run_id in held:
            run = self.runs[run_id]
            self._to(run_id, run.machine.expire(cancel_requested=run.cancelled))

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.runs)))
        run = self.runs[run_id]
        try:
            after = run.machine.cancel()
        except IllegalTransition:
            after = None
        if run.machine.state is RunState.FAILED:
            after = None
        if after is None:
            with pytest.raises(Conflict):
                self._do(lambda c: cancel_run(c, run_id, actor="user"))
            return
        self._do(lambda c: cancel_run(c, run_id, actor="user"))
        run.cancelled = True
        self._to(run_id, after)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), what=st.sampled_from(["approve", "reject", "retry"]))
    def somebody_decides(self, data: st.DataObject, what: str) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.runs)))
        run = self.runs[run_id]
        stale = run_id < self.newest.get(run.segment, 0)
        after = None
        with suppress(IllegalTransition):
            after = {
                "approve": lambda: run.machine.approve(stale=stale),
                "reject": run.machine.reject,
                "retry": lambda: run.machine.retry(attempts=ATTEMPTS),
            }[what]()
        acts = {
            "approve": lambda c: approve_run(c, run_id, actor="user"),
            "reject": lambda c: reject_run(c, run_id, actor="user"),
            "retry": lambda c: retry_run(c, run_id, actor="user", attempts=ATTEMPTS),
        }
        if after is None:
            with pytest.raises(Conflict):
                self._do(acts[what])
            return
        self._do(acts[what])
        if what == "retry":
            run.cancelled = False
        self._to(run_id, after)
        if after.state is RunState.PUBLISHED:
            self.newest[run.segment] = run_id

    @rule()
    def nobody_decides_in_time(self) -> None:
        expired = self._do(lambda c: expire_held(c, after=timedelta(0), actor="scheduler"))
        held = [i for name in NAMES for i in self._with(name, RunState.HELD)]
        assert expired == sorted(held)
        for run_id in expired:
            self._to(run_id, self.runs[run_id].machine.reject())

    @invariant()
    def the_database_says_the_same(self) -> None:
        rows = self.desk.ask(
            "SELECT id, state, attempt, fence, max_attempts FROM refresh_run ORDER BY id"
        )
        assert rows == [
            (i, r.machine.state, r.machine.attempt, r.machine.fence, r.machine.max_attempts)
            for i, r in sorted(self.runs.items())
        ]

    @invariant()
    def every_step_has_one_event(self) -> None:
        events: dict[int, list[tuple[str | None, str]]] = {i: [] for i in self.runs}
        for run_id, was, to in self.desk.ask(
            "SELECT run_id, from_state, to_state FROM run_event ORDER BY id"
        ):
            events[run_id].append((was, to))
        for run_id, run in self.runs.items():
            assert len(events[run_id]) == run.steps
            assert all(before[1] == after[0] for before, after in pairwise(events[run_id]))
            assert events[run_id][-1][1] == run.machine.state

    @invariant()
    def versions_count_without_gaps(self) -> None:
        for name in NAMES:
            versions = self.desk.ask(
                "SELECT v.version FROM membership_version v JOIN segment s ON s.id = v.segment_id"
                " WHERE s.name = :name ORDER BY v.due_at",
                name=name,
            )
            assert versions == list(range(1, len(versions) + 1))


def machine_over(desk: Desk) -> type[RunsInPostgres]:
    class Here(RunsInPostgres):
        def __init__(self) -> None:
            super().__init__(desk)

    return Here


def test_runs_move_in_postgresql_as_in_the_pure_state_machine(desk: Desk) -> None:
    run_state_machine_as_test(
        machine_over(desk),
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.long
def test_runs_move_in_postgresql_as_in_the_pure_state_machine_for_long(desk: Desk) -> None:
    run_state_machine_as_test(
        machine_over(desk),
        settings=settings(
            max_examples=300,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_deliveries_move_in_postgresql_exactly_as_the_pure_state_machine_lets_them(
    desk: Desk, in_transaction
) -> None:
    desk.apply("buyers")
    desk.tell("INSERT INTO export (name, document) VALUES ('on', '{}')")
    desk.tell("INSERT INTO export_segment SELECT e.id, s.id FROM export e, segment s")
    desk.request(["buyers"])
    claim = desk.must_claim()
    desk.evaluate(claim)
    in_transaction(lambda c: publish(c, claim))
    (delivery,) = desk.ask("SELECT id FROM delivery")

    for state in DeliveryState:
        for event in Event:
            desk.tell(
                "UPDATE delivery SET state = :state, fence = 7, lease_expires_at ="
                " CASE WHEN :state = 'running' THEN now() END",
                state=state,
            )
            legal = state in sources(event)
            before = len(desk.ask("SELECT id FROM delivery_event"))
            lease: dict[str, str | None] = {"lease_expires_at": None}
            if target(event) is DeliveryState.RUNNING:
                lease = {"lease_expires_at": "2030-01-01"}

            def step(connection, fence: int, event=event, lease=lease) -> bool:
                return apply_event(
                    connection, delivery, event, actor="w", fence=fence, values=lease
                )

            assert not in_transaction(lambda c, step=step: step(c, 6))
            assert in_transaction(lambda c, step=step: step(c, 7)) == legal
            after = target(event) if legal else state
            assert desk.ask("SELECT state FROM delivery") == [after]
            assert len(desk.ask("SELECT id FROM delivery_event")) == before + legal
