"""Changes of a segment's document: add, remove, move, wrap, unwrap, combine; each returns a new document.

The form stays right: the first rule has no `combine` and every later one has, a sequence keeps two steps, what
must have a condition keeps one. Conditions on rows stay with their rows.
"""

from __future__ import annotations

from typing import Any

from muster_console.web.builder.blank import attribute, rule
from muster_console.web.builder.node import owner_of
from muster_console.web.builder.tree import (
    Plain,
    at,
    found,
    inserted,
    parts,
    put,
    split,
    updated,
    within,
    without,
)

#: Fewest and most steps of a sequence.
STEPS = (2, 5)
_RULES = "/rules"


class NotPossible(ValueError):
    """The change makes no sense there; the message says why."""


def add_rule(document: Plain, condition: dict[str, Any], combine: str = "union") -> Plain:
    """Return the document with one more rule at its end; the first takes no `combine`."""
    count = len(document.get("rules", ()))
    return inserted(document, _RULES, count, rule(condition, combine if count else None))


def combine_rule(document: Plain, index: int, combine: str) -> Plain:
    """Return the document with the rule `index`, counted from 0, meeting the ones before it otherwise.

    Raises:
        NotPossible: the first rule meets nothing.
    """
    if index == 0:
        raise NotPossible("the first rule meets no rule before it")
    return put(document, f"{_RULES}/{index}/combine", combine)


def add(document: Plain, pointer: str, condition: dict[str, Any]) -> Plain:
    """Return the document with a condition more at a place.

    The place is a group, of which the condition becomes the last part; a sequence, for a further step; or a
    field that may hold a condition (`where`), which then holds both.

    Raises:
        NotPossible: nothing can be added there.
    """
    here = at(document, pointer) if found(document, pointer) else None
    if here is None:
        return put(document, pointer, condition)
    match here.get("kind"):
        case "all" | "any":
            return inserted(document, f"{pointer}/of", len(here["of"]), condition)
        case "sequence":
            if len(here["steps"]) >= STEPS[1]:
                raise NotPossible(f"a sequence has at most {STEPS[1]} steps")
            return inserted(document, f"{pointer}/steps", len(here["steps"]), condition)
        case None:
            raise NotPossible("a condition can be added to conditions only")
        case _:
            return put(document, pointer, {"kind": "all", "of": [here, condition]})


def remove(document: Plain, pointer: str) -> Plain:
    """Return the document without a rule or condition; what cannot be without becomes open again.

    Raises:
        NotPossible: a sequence would be left with one step.
        LookupError: nothing stands there.
    """
    outer, last = split(pointer)
    if outer == _RULES:
        return _combined(without(document, pointer))
    around = at(document, outer)
    if outer.startswith(f"{_RULES}/") and last == "where" and outer.count("/") == 2:
        return remove(document, outer)
    if isinstance(around, list):
        if split(outer)[1] == "steps" and len(around) <= STEPS[0]:
            raise NotPossible(f"a sequence has at least {STEPS[0]} steps")
        # a group without conditions would match nobody, which nobody means by emptying one
        return remove(document, split(outer)[0]) if len(around) == 1 else without(document, pointer)
    if last == "of":
        return remove(document, outer)
    if last == "where":
        return without(document, pointer)
    return put(document, pointer, attribute())


def wrap(document: Plain, pointer: str, kind: str) -> Plain:
    """Return the document with a condition put into a group of its own: `all`, `any` or `not`.

    Raises:
        LookupError: nothing stands there.
    """

    def change(inner: Plain) -> Plain:
        return {"kind": kind, "of": inner if kind == "not" else [inner]}

    return updated(document, pointer, change)


def unwrap(document: Plain, pointer: str) -> Plain:
    """Return the document with a group replaced by its parts.

    Raises:
        NotPossible: they would mean something else, or it is no group.
    """
    group = at(document, pointer)
    kind, of = group.get("kind"), group.get("of")
    if kind == "not":
        return put(document, pointer, of)
    if kind not in ("all", "any"):
        raise NotPossible("this is no group")
    if len(of) == 1:
        return put(document, pointer, of[0])
    outer, last = split(pointer)
    holder = at(document, split(outer)[0]) if split(outer)[1] == "of" and last.isdecimal() else {}
    if not of or holder.get("kind") != kind:
        raise NotPossible("its conditions would mean something else outside of it")
    index = int(last)
    return updated(document, outer, lambda all_: [*all_[:index], *of, *all_[index + 1 :]])


def regroup(document: Plain, pointer: str, kind: str) -> Plain:
    """Return the document with a group asking for all of its parts or for any.

    Raises:
        NotPossible: it is no such group.
    """
    if at(document, pointer).get("kind") not in ("all", "any"):
        raise NotPossible("this is no group")
    return put(document, f"{pointer}/kind", kind)


def duplicate(document: Plain, pointer: str) -> Plain:
    """Return the document with a rule or condition twice, the copy after it.

    Raises:
        NotPossible: it stands alone and has no place beside it.
    """
    outer, last = split(pointer)
    copied = at(document, pointer)
    if outer == _RULES:
        index = int(last) + 1
        named = {name: value for name, value in copied.items() if name != "name"}
        again = {"combine": "union"} | named
        return inserted(document, outer, index, again)
    around = at(document, outer)
    if not isinstance(around, list):
        return put(document, pointer, {"kind": "all", "of": [copied, copied]})
    if split(outer)[1] == "steps" and len(around) >= STEPS[1]:
        raise NotPossible(f"a sequence has at most {STEPS[1]} steps")
    return inserted(document, outer, int(last) + 1, copied)


def move(document: Plain, source: str, target: str, index: int) -> Plain:
    """Return the document with a rule or condition moved into the list at `target`, before its entry `index`.

    `target` and `index` are those of the document as it is.

    Raises:
        NotPossible: it would stand inside itself, be about other rows, or leave too little behind.
    """
    outer, last = split(source)
    if within(target, source):
        raise NotPossible("a condition cannot stand inside itself")
    if (outer == _RULES) != (target == _RULES):
        raise NotPossible("rules stay rules and conditions stay conditions")
    if owner_of(document, source) != owner_of(document, f"{target}/{index}"):
        raise NotPossible("conditions on rows stay with their rows")
    moved = at(document, source)
    if outer == target:
        at_index = int(last)
        goal = index - 1 if index > at_index else index
        again = inserted(without(document, source), target, goal, moved)
        return _combined(again) if target == _RULES else again
    if len(at(document, target)) >= STEPS[1] and split(target)[1] == "steps":
        raise NotPossible(f"a sequence has at most {STEPS[1]} steps")
    if not last.isdecimal():
        raise NotPossible("only a part of a group can be moved")
    # the list first: its place is known as long as nothing before it is gone
    grown = inserted(document, target, index, moved)
    return remove(grown, _shifted(source, target, index))


def drop(document: Plain, source: str, pointer: str) -> Plain:
    """Return the document with what stands at `source` dropped on what stands at `pointer`.

    It takes the place of that; dropped on a group it comes first inside. A rule may be dropped on any part of
    another one.

    Raises:
        NotPossible: nothing can be dropped there, or `move` says so.
    """
    outer, last = split(source)
    if outer == _RULES:
        pointer = "/".join(pointer.split("/")[:3])
    target, place = split(pointer)
    data = at(document, pointer)
    if outer != _RULES and isinstance(data, dict) and data.get("kind") in ("all", "any"):
        return move(document, source, f"{pointer}/of", 0)
    if not place.isdecimal():
        raise NotPossible("a condition is dropped on a group, or on a condition of one")
    index = int(place)
    if outer == target and int(last) < index:
        # what was below moves up
        index += 1
    return move(document, source, target, index)


def _shifted(pointer: str, target: str, index: int) -> str:
    """Return where `pointer` leads once the list at `target` has one more entry at `index`."""
    if not within(pointer, target) or pointer == target:
        return pointer
    place, *rest = parts(pointer[len(target) :])
    moved = int(place) + 1 if int(place) >= index else int(place)
    return "/".join([f"{target}/{moved}", *rest])


def _combined(document: Plain) -> Plain:
    """Return the document with a `combine` on every rule but the first; a rule that loses the lead takes the other's."""
    rules = document.get("rules", [])
    if not rules:
        return {name: value for name, value in document.items() if name != "rules"}
    freed = rules[0].get("combine", "union")
    first = {name: value for name, value in rules[0].items() if name != "combine"}
    later = [r if "combine" in r else {"combine": freed, **r} for r in rules[1:]]
    return {**document, "rules": [first, *later]}
