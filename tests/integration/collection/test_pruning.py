from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.collection.world import AT_ONCE, World

from muster_core.collection.collect import preview

pytestmark = pytest.mark.integration

MONTH = replace(AT_ONCE, runs=timedelta(days=30))


def runs(world: World) -> set[tuple[str, int, str]]:
    return set(
        world.ask(
            """SELECT s.name, extract(day FROM clock_timestamp() - r.due_at)::int, r.state
                 FROM refresh_run r JOIN segment s ON s.id = r.segment_id"""
        )
    )


def add(world: World, name: str, days: int, state: str, count: int = 1) -> None:
    world.tell(
        """WITH added AS (
               INSERT INTO refresh_run (segment_id, due_at, trigger, state)
               SELECT s.id, now() - make_interval(days => :days) - n * interval '1 ms',
                      'schedule', :state
                 FROM segment s, generate_series(1, :count) n WHERE s.name = :name
               RETURNING id)
           INSERT INTO run_event (run_id, from_state, to_state, actor)
           SELECT id, 'pending', :state, 'test' FROM added""",
        name=name,
        days=days,
        state=state,
        count=count,
    )


def test_runs_of_long_ago_that_published_nothing_go_with_their_events(world: World):
    world.refresh()
    published = runs(world)
    for state in ("skipped", "failed", "cancelled", "superseded"):
        add(world, "s0", 40, state)
    add(world, "s0", 20, "skipped")
    world.tell("UPDATE alert SET state = 'sent', ended_at = clock_timestamp()")

    assert preview(world.database, world.lake, MONTH).runs_pruned == 4
    assert world.collect(MONTH).runs_pruned == 4
    assert runs(world) == published | {("s0", 20, "skipped")}
    assert world.ask(
        "SELECT count(*) FROM run_event e WHERE NOT EXISTS (SELECT 1 FROM refresh_run r WHERE r.id = e.run_id)"
    ) == [(0,)]
    assert world.collect(MONTH).runs_pruned == 0


def test_the_newest_run_of_a_segment_and_what_waits_to_be_told_stay(world: World):
    add(world, "s1", 50, "skipped")
    add(world, "s2", 50, "failed")  # its alert waits
    add(world, "s2", 45, "skipped")
    before = runs(world)
    assert world.ask("SELECT count(*) FROM alert WHERE state = 'waiting'") == [(1,)]

    assert world.collect(MONTH).runs_pruned == 0
    assert runs(world) == before


def test_runs_of_versions_stay_however_old_they_are(world: World):
    world.refresh()
    world.refresh()
    world.tell("UPDATE refresh_run SET due_at = due_at - interval '2 years'")
    published = world.ask("SELECT segment_id, version, run_id FROM membership_version")
    assert published

    world.collect(MONTH)
    kept = {run for (run,) in world.ask("SELECT id FROM refresh_run")}
    assert {run for _, _, run in published} <= kept


def test_more_runs_than_one_transaction_takes_all_go(world: World):
    add(world, "s0", 40, "skipped", count=12_000)
    add(world, "s0", 1, "skipped")
    assert world.collect(MONTH).runs_pruned == 12_000
