"""After any sequence of refreshes, deliveries and collections everything somebody may ask for is readable."""

from __future__ import annotations

import random

import pytest
from tests.integration.collection.world import World

from muster_core.storage.database import transaction
from muster_core.storage.run import approve_run, reject_run
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration

STEPS = 40


@pytest.mark.parametrize("seed", range(6))
def test_what_is_needed_stays_readable(world: World, seed: int):
    world.chance = chance = random.Random(seed)
    done = [step(world, chance) for _ in range(STEPS)]
    world.collect()
    world.collect()
    world.check_readable()
    left = world.ask("SELECT count(*) FROM garbage")
    assert left == [(0,)], done


def step(world: World, chance: random.Random) -> str:
    what = chance.choice(
        [
            "prepare",
            "begin",
            "begin",
            "end",
            "end",
            "lose",
            "deliver",
            "deliver",
            "settle",
            "collect",
            "collect",
            "collect",
            "drop",
            "half",
        ]
    )
    names = [name for (name,) in world.ask("SELECT name FROM segment WHERE deleted_at IS NULL")]
    match what:
        case "prepare":
            world.prepare()
        case "half" if world.preparing is None:
            world.begin_preparation()
        case "half":
            world.lose_preparation()
        case "begin":
            world.begin_batch(chance.sample(names, chance.randint(1, len(names))))
        case "end" if world.flights:
            world.end_batch(chance.choice(world.flights))
        case "lose" if world.flights:
            world.lose_batch(chance.choice(world.flights))
        case "deliver":
            world.deliver(finish=chance.random() < 0.8)
        case "settle":
            settle(world, chance)
        case "drop" if chance.random() < 0.2:
            # those with odd numbers are in no export
            odd = [name for name in names if int(name[1:]) % 2]
            if odd:
                with transaction(world.database) as connection:
                    delete_segment(connection, chance.choice(odd))
        case "collect":
            world.collect()
            world.check_readable()
    return what


def settle(world: World, chance: random.Random) -> None:
    held = [run for (run,) in world.ask("SELECT id FROM refresh_run WHERE state = 'held'")]
    if not held:
        return
    run = chance.choice(held)
    with transaction(world.database) as connection:
        if chance.random() < 0.5:
            approve_run(connection, run, actor="test")
        else:
            reject_run(connection, run, actor="test")
    world.note_published({run: world.held[run]})
