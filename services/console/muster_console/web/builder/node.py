"""Nodes of a segment's document: where rules and conditions stand, what they are of, and how deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from muster_console.web.builder.tree import Plain, at, inside, parts, split

#: Fields of a node that hold conditions on one row, one or a list of them.
ROW_FIELDS = ("where", "having", "steps")
#: Kinds made of other conditions.
GROUPS = ("all", "any", "not")
#: Sides of a comparison and of a ranking, which have rows of their own.
SIDES = ("left", "right", "by")

Place = Literal["profile", "row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One rule or condition on the way through a document."""

    pointer: str
    depth: int
    data: dict[str, Any]
    #: Whether it is about a customer or about one row of a related table.
    place: Place
    #: For conditions on rows: the pointer of what names the table.
    owner: str | None = None


def nodes(document: Plain) -> Iterator[Node]:
    """Yield every condition of a segment, or of a measure, from top to bottom; rules themselves are not among them."""
    for index, rule in enumerate(document.get("rules", ())):
        pointer = f"/rules/{index}/where"
        if isinstance(rule.get("where"), dict):
            yield from walk(rule["where"], pointer)
    by = document.get("by")
    if isinstance(by, dict):
        yield from _rows(by, "/by", 0)


def walk(
    data: dict[str, Any],
    pointer: str,
    depth: int = 0,
    place: Place = "profile",
    owner: str | None = None,
) -> Iterator[Node]:
    """Yield a condition and those inside it, the outer ones first."""
    yield Node(pointer=pointer, depth=depth, data=data, place=place, owner=owner)
    kind = data.get("kind")
    if kind == "not":
        yield from walk(data["of"], f"{pointer}/of", depth + 1, place, owner)
    elif kind in GROUPS:
        for index, part in enumerate(data["of"]):
            yield from walk(part, f"{pointer}/of/{index}", depth + 1, place, owner)
    else:
        yield from _rows(data, pointer, depth)


def _rows(data: dict[str, Any], pointer: str, depth: int) -> Iterator[Node]:
    for name in ROW_FIELDS:
        inner = data.get(name)
        if isinstance(inner, dict):
            yield from walk(inner, f"{pointer}/{name}", depth + 1, "row", pointer)
        elif isinstance(inner, list):
            for index, part in enumerate(inner):
                yield from walk(part, f"{pointer}/{name}/{index}", depth + 1, "row", pointer)
    for name in SIDES:
        side = data.get(name)
        if isinstance(side, dict) and "table" in side:
            yield from _rows(side, f"{pointer}/{name}", depth)


def owner_of(document: Plain, pointer: str) -> str | None:
    """Return the pointer of what names the table a condition's rows are of; None: it is about a customer.

    The place itself need not be taken yet.
    """
    steps, here = parts(pointer), ""
    owner = None
    for step in steps:
        data = _there(document, here)
        if step in ROW_FIELDS and isinstance(data, dict) and _has_rows(data):
            owner = here
        here = inside(here, step)
        if here == pointer:
            break
    return owner


def _has_rows(data: dict[str, Any]) -> bool:
    return "table" in data


def node_at(document: Plain, pointer: str) -> str:
    """Return the pointer of the rule or condition a place belongs to; the empty one: the segment itself.

    A place inside a rule's condition belongs to that condition, a window or an aggregate to what has it.
    """
    here = pointer
    while here:
        data = _there(document, here)
        outer, _ = split(here)
        named = outer in ("/rules", "/project") or here == "/by"
        if isinstance(data, dict) and ("kind" in data or named):
            return here
        here = outer
    return ""


def _there(document: Plain, pointer: str) -> Plain:
    try:
        return at(document, pointer)
    except LookupError:
        return None
