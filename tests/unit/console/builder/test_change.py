"""Changes keep the form of a document right, whatever is done in whatever order, and say why where they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.console.builder.generation import any_document

from muster_console.web.builder import change
from muster_console.web.builder.blank import attribute, condition
from muster_console.web.builder.change import NotPossible
from muster_console.web.builder.draft import Draft
from muster_console.web.builder.node import node_at, nodes, owner_of
from muster_console.web.builder.spelling import condition_of, document_of, plain_of
from muster_console.web.builder.tree import at, split
from muster_core.rules.document import parse_segment

# the strategy prints as a book
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

KINDS = [
    "everyone",
    "all",
    "any",
    "not",
    "attribute",
    "rows",
    "first_row",
    "last_row",
    "sequence",
    "periods",
    "held",
    "segment",
    "measure",
    "compare",
    "top",
    "sample",
]


def _document(*expressions: str) -> dict[str, Any]:
    document: dict[str, Any] = {"name": "a"}
    for text in expressions:
        document = change.add_rule(document, condition_of(text))
    return document


def _rule(document: dict[str, Any], number: int = 0) -> Any:
    return document["rules"][number]["where"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_condition_of_every_kind_has_the_right_form(kind: str) -> None:
    document = change.add_rule({"name": "a"}, condition(kind))

    assert plain_of(document_of(document)) == document


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_document(), st.data())
def test_the_form_stays_right_and_every_step_is_undone_and_redone_exactly(
    raw: Any, data: st.DataObject
) -> None:
    _change_and_undo(raw, data)


@pytest.mark.long
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_document(), st.data())
def test_the_form_stays_right_after_very_many_changes(raw: Any, data: st.DataObject) -> None:
    _change_and_undo(raw, data)


def _change_and_undo(raw: Any, data: st.DataObject) -> None:
    draft = Draft(document=plain_of(parse_segment(raw)))
    steps = [draft.document]
    for _ in range(data.draw(st.integers(1, 8))):
        try:
            document = _any_change(draft.document, data)
        except NotPossible:
            continue
        assert plain_of(document_of(document)) == document
        if document != draft.document:
            steps.append(document)
        draft = draft.changed("a change", document)

    for expected in reversed(steps[:-1]):
        draft = draft.undone()
        assert draft.document is expected or draft.document == expected
    assert draft.past == ()
    for expected in steps[1:]:
        draft = draft.redone()
        assert draft.document == expected
    assert draft.future == ()


def _any_change(document: Any, data: st.DataObject) -> Any:
    found = list(nodes(document))
    rules = len(document.get("rules", ()))
    what = data.draw(st.sampled_from(["rule", "combine", *(_ON_NODE if found else ())]))
    if what == "rule":
        return change.add_rule(document, condition(data.draw(st.sampled_from(KINDS))), "except")
    if what == "combine":
        index = data.draw(st.integers(0, max(0, rules - 1)))
        return change.combine_rule(document, index, "intersect") if rules else document
    here = data.draw(st.sampled_from(found)).pointer
    match what:
        case "add":
            return change.add(document, here, attribute("x"))
        case "remove":
            return change.remove(document, here)
        case "wrap":
            kind = data.draw(st.sampled_from(["all", "any", "not"]))
            return change.wrap(document, here, kind)
        case "unwrap":
            return change.unwrap(document, here)
        case "regroup":
            return change.regroup(document, here, "any")
        case "duplicate":
            return change.duplicate(document, here)
    return _any_move(document, found, here, data)


_ON_NODE = ("add", "remove", "wrap", "unwrap", "regroup", "duplicate", "move", "move")


def _any_move(document: Any, found: Any, here: str, data: st.DataObject) -> Any:
    if data.draw(st.booleans()):
        rules = range(len(document["rules"]))
        source, goal = data.draw(st.sampled_from(rules)), data.draw(st.sampled_from(rules))
        return change.move(document, f"/rules/{source}", "/rules", goal)
    groups = [n.pointer for n in found if n.data.get("kind") in ("all", "any")]
    if not groups:
        return document
    target = f"{data.draw(st.sampled_from(groups))}/of"
    return change.move(document, here, target, data.draw(st.integers(0, len(at(document, target)))))


def test_rules_keep_their_combination_when_the_first_one_moves() -> None:
    document = change.combine_rule(_document("age > 1", "age > 2", "age > 3"), 1, "except")

    moved = change.move(document, "/rules/0", "/rules", 2)

    assert [(r.get("combine"), r["where"]["value"]) for r in moved["rules"]] == [
        (None, 2),
        ("except", 1),
        ("union", 3),
    ]


def test_removing_the_first_rule_makes_the_second_the_first() -> None:
    document = change.remove(_document("age > 1", "age > 2"), "/rules/0")

    assert document["rules"] == [{"where": condition_of("age > 2")}]
    assert "rules" not in change.remove(document, "/rules/0/where")


def test_conditions_move_between_groups_and_leave_no_empty_one() -> None:
    document = _document("(a = 1 or b = 2) and any(c = 3)")

    moved = change.move(document, "/rules/0/where/of/1/of/0", "/rules/0/where/of/0/of", 1)

    assert _rule(moved) == condition_of("all(a = 1 or c = 3 or b = 2)")


def test_a_condition_moves_past_its_own_group() -> None:
    document = _document("(a = 1 or b = 2) and c = 3")

    moved = change.move(document, "/rules/0/where/of/0/of/1", "/rules/0/where/of", 0)

    assert _rule(moved) == condition_of("b = 2 and any(a = 1) and c = 3")


def test_what_is_dropped_takes_the_place_of_what_it_is_dropped_on() -> None:
    document = _document("age > 1", "age > 2", "age > 3")

    def order(found: dict[str, Any]) -> list[int]:
        return [rule["where"]["value"] for rule in found["rules"]]

    # on any part of a rule, from above and from below
    assert order(change.drop(document, "/rules/0", "/rules/1/where")) == [2, 1, 3]
    assert order(change.drop(document, "/rules/0", "/rules/2")) == [2, 3, 1]
    assert order(change.drop(document, "/rules/2", "/rules/0/where")) == [3, 1, 2]
    group = _document("a = 1 and b = 2 and any(c = 3)")
    down = change.drop(group, "/rules/0/where/of/0", "/rules/0/where/of/1")
    assert _rule(down) == condition_of("b = 2 and a = 1 and any(c = 3)")
    inside = change.drop(group, "/rules/0/where/of/0", "/rules/0/where/of/2")
    assert _rule(inside) == condition_of("b = 2 and (a = 1 or c = 3)")
    with pytest.raises(NotPossible, match="dropped on a group"):
        change.drop(_document("a = 1 and b = 2", "c = 3"), "/rules/0/where/of/0", "/rules/1/where")


def test_conditions_on_rows_stay_with_their_rows() -> None:
    document = _document("country = 'GB' and exists(orders where a = 1 and b = 2)")
    row = "/rules/0/where/of/1/where/of/0"

    assert owner_of(document, row) == "/rules/0/where/of/1"
    with pytest.raises(NotPossible, match="stay with their rows"):
        change.move(document, row, "/rules/0/where/of", 0)


def test_a_place_that_is_not_taken_yet_knows_whose_rows_it_is_of() -> None:
    document = _document("country = 'GB' and count(orders) > 3")

    assert owner_of(document, "/rules/0/where/of/1/where") == "/rules/0/where/of/1"
    assert owner_of(document, "/rules/0/where/of/1/where/of/0") == "/rules/0/where/of/1"
    assert owner_of(document, "/rules/0/where") is None
    assert owner_of({"name": "a", "by": {"table": "orders"}}, "/by/where") == "/by"


def test_a_condition_does_not_move_into_itself() -> None:
    document = _document("(a = 1 or b = 2) and c = 3")

    with pytest.raises(NotPossible, match="inside itself"):
        change.move(document, "/rules/0/where/of/0", "/rules/0/where/of/0/of", 0)


def test_adding_to_a_single_condition_makes_a_group_of_both() -> None:
    document = _document("a = 1")

    grown = change.add(document, "/rules/0/where", condition_of("b = 2"))

    assert _rule(grown) == condition_of("a = 1 and b = 2")


def test_rows_take_a_first_and_a_second_condition() -> None:
    document = _document("count(orders) > 3")
    place = "/rules/0/where/where"

    once = change.add(document, place, condition_of("a = 1", row=True))
    twice = change.add(once, place, condition_of("b = 2", row=True))

    assert _rule(twice) == condition_of("count(orders where a = 1 and b = 2) > 3")
    assert _rule(change.remove(once, place)) == condition_of("count(orders) > 3")


def test_groups_dissolve_only_where_the_meaning_stays() -> None:
    document = _document("(a = 1 and b = 2) and c = 3")

    flat = change.unwrap(document, "/rules/0/where/of/0")

    assert _rule(flat) == condition_of("a = 1 and b = 2 and c = 3")
    with pytest.raises(NotPossible, match="mean something else"):
        change.unwrap(_document("(a = 1 or b = 2) and c = 3"), "/rules/0/where/of/0")
    assert _rule(change.unwrap(_document("not a = 1"), "/rules/0/where")) == condition_of("a = 1")


def test_a_sequence_keeps_two_steps_and_takes_five() -> None:
    document = change.add_rule({"name": "a"}, condition("sequence"))

    with pytest.raises(NotPossible, match="at least 2"):
        change.remove(document, "/rules/0/where/steps/0")
    for _ in range(3):
        document = change.add(document, "/rules/0/where", attribute())
    with pytest.raises(NotPossible, match="at most 5"):
        change.duplicate(document, "/rules/0/where/steps/0")


def test_what_must_have_a_condition_gets_an_open_one_for_one_that_goes() -> None:
    document = _document("last row (orders) has (a = 1)")

    assert _rule(change.remove(document, "/rules/0/where/having"))["having"] == attribute()


def test_copies_stand_after_their_original() -> None:
    document = change.duplicate(_document("a = 1 and b = 2"), "/rules/0/where/of/0")

    assert _rule(document) == condition_of("a = 1 and a = 1 and b = 2")
    assert change.duplicate(document, "/rules/0")["rules"][1]["combine"] == "union"


@pytest.mark.parametrize(
    ("pointer", "node"),
    [
        ("/rules/0/where/of/1/value/0", "/rules/0/where/of/1"),
        ("/rules/0/where/of/0/where/column", "/rules/0/where/of/0/where"),
        ("/rules/0/where/of/0/window/last", "/rules/0/where/of/0"),
        ("/rules/0/where/of/0/aggregate/function", "/rules/0/where/of/0"),
        ("/rules/0/combine", "/rules/0"),
        ("/rules", ""),
        ("/schedule/cron", ""),
    ],
)
def test_a_problem_belongs_to_the_node_it_lies_in(pointer: str, node: str) -> None:
    document = _document("count(orders where a = 1, last 30 days) > 3 and b in (1, 2)")

    assert node_at(document, pointer) == node


def test_typing_one_text_is_undone_as_one() -> None:
    draft = Draft(document={"name": "a"})
    for text in ("L", "Lo", "Lon"):
        draft = draft.changed("value", {"name": text}, run="/value")

    assert draft.document == {"name": "Lon"}
    assert draft.undone().document == {"name": "a"}
    assert draft.undone().redone().document == {"name": "Lon"}


def test_a_new_change_forgets_what_was_undone() -> None:
    draft = Draft(document=1).changed("two", 2).undone().changed("three", 3)

    assert (draft.last, draft.following) == ("three", None)
    assert split("/a/b") == ("/a", "b")
