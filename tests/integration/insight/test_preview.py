"""What a definition would give before it is saved: exactly, and estimated."""

from __future__ import annotations

import random

import pytest
from tests.integration.insight.shop import AS_OF, Shop, country, document, ordered

from muster_console.operation.preview import preview
from muster_core.errors import Conflict, InvalidInput
from muster_core.kernel.estimate import exactly

pytestmark = pytest.mark.integration

BOTH = {"kind": "all", "of": [country("GB"), ordered(3)]}
TOP = {
    "kind": "top",
    "by": {"table": "orders", "aggregate": {"function": "sum", "column": "total"}},
    "limit": 40,
}


def test_an_exact_preview_has_the_members_of_every_rule_and_condition(shop: Shop) -> None:
    regulars = document("regulars", ordered(2))
    shop.publish(regulars)
    wanted = document(
        "chosen",
        {"kind": "any", "of": [BOTH, TOP]},
        ("except", {"kind": "segment", "name": "regulars"}),
        ("union", {"kind": "not", "of": country("DE")}),
        manual={"add": ["C00001"], "remove": ["C00002"]},
    )
    found = preview(shop.workspace, wanted, exact=True, as_of=AS_OF)
    reference = shop.reference()
    reference.world.segments["regulars"] = list(shop.members["regulars", 1])
    assert found.members == exactly(len(reference.members(wanted)))
    assert (found.exact, found.sampled, found.customers) == (True, 800, 800)
    assert {n.pointer: n.members.count for n in found.nodes} == {
        pointer: len(keys)
        for pointer, keys in reference.nodes(wanted).items()
        if not pointer.endswith("/where")
    }
    running = [n.running.count for n in found.nodes if n.running is not None]
    assert running == [len(keys) for keys in reference.running(wanted)]
    assert [(u.segment, u.version) for u in found.used] == [("regulars", 1)]
    assert (found.version, found.joined, found.left) == (None, None, None)


def test_a_preview_of_a_published_segment_tells_who_would_join_and_leave(shop: Shop) -> None:
    shop.publish(document("chosen", country("GB")))
    wanted = document("chosen", {"kind": "any", "of": [country("DE"), BOTH]})
    now, before = shop.reference().members(wanted), shop.members["chosen", 1]
    found = preview(shop.workspace, wanted, exact=True, as_of=AS_OF)
    assert found.version == 1
    assert (found.joined, found.left) == (exactly(len(now - before)), exactly(len(before - now)))


def test_an_estimate_looks_at_a_part_and_holds_the_true_count(shop: Shop) -> None:
    """Of rules drawn at random at least 93 of 100 intervals hold; the thousand of the unit test are the proof."""
    chance = random.Random(7)
    held = 0
    for _ in range(15):
        where = {
            "kind": chance.choice(["all", "any"]),
            "of": [country(chance.choice(["GB", "DE", "FR"])), ordered(chance.randrange(1, 6))],
        }
        wanted = document("chosen", where)
        found = preview(shop.workspace, wanted, exact=False, as_of=AS_OF)
        assert (found.exact, found.partitions_read) == (False, 2)
        assert 0 < found.sampled < found.customers
        held += found.members.low <= len(shop.reference().members(wanted)) <= found.members.high
    assert held >= 13


def test_a_segment_that_never_published_is_evaluated_along(shop: Shop) -> None:
    shop.save(document("british", country("GB")))
    wanted = document("chosen", {"kind": "segment", "name": "british"})
    found = preview(shop.workspace, wanted, as_of=AS_OF)
    assert found.members.count == len(shop.reference().members(document("b", country("GB"))))
    assert [(u.segment, u.version) for u in found.used] == [("british", None)]


def test_a_measure_may_stand_beside_the_segment(shop: Shop) -> None:
    text = """
name: orders_ever
by: {table: orders, aggregate: {function: count}}
---
name: chosen
rules:
  - where: {kind: measure, name: orders_ever, compare: gte, value: 4}
"""
    found = preview(shop.workspace, text, as_of=AS_OF)
    where = {**ordered(4), "window": None}
    assert found.members.count == len(shop.reference().members(document("m", where)))


def test_what_is_wrong_is_told_with_its_place(shop: Shop) -> None:
    with pytest.raises(InvalidInput) as told:
        preview(shop.workspace, document("chosen", {**country("GB"), "column": "contry"}))
    assert told.value.problems[0].pointer == "/rules/0/where/column"
    with pytest.raises(InvalidInput, match="one segment is looked at"):
        preview(shop.workspace, "name: m\nby: {table: orders, aggregate: {function: count}}")


def test_before_anything_was_prepared_there_is_nothing_to_look_at(shop: Shop) -> None:
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("UPDATE store_head SET snapshot_id = NULL")
    with pytest.raises(Conflict, match="Nothing has been prepared"):
        preview(shop.workspace, document("chosen", country("GB")))
