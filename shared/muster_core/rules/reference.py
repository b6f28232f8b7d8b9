"""References between documents: which segments and measures one names, and circles among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from muster_core.rules.condition import (
    All,
    Any_,
    CompareSides,
    Condition,
    MeasureName,
    MeasureValue,
    Not,
    SegmentMember,
)
from muster_core.rules.document import SegmentDocument


def members_of(document: SegmentDocument) -> Iterator[tuple[str, SegmentMember]]:
    """Yield every reference to a segment with its JSON pointer."""
    for pointer, node in _leaves(document):
        if isinstance(node, SegmentMember):
            yield pointer, node


def references_of(document: SegmentDocument) -> frozenset[str]:
    """Return the names of the segments a document refers to."""
    return frozenset(node.name for _, node in members_of(document))


def measures_of(document: SegmentDocument) -> frozenset[str]:
    """Return the names of the measures a document uses."""
    names: set[str] = set()
    for _, node in _leaves(document):
        if isinstance(node, MeasureValue):
            names.add(node.name)
        elif isinstance(node, CompareSides):
            sides = (node.left, node.right)
            names |= {side.measure for side in sides if isinstance(side, MeasureName)}
    return frozenset(names)


def circle_through(name: str, following: str, references: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names of the shortest circle from `name` through `following`; empty if there is none."""
    before: dict[str, str] = {following: name}
    waiting = [following]
    for here in waiting:
        if here == name:
            break
        for further in sorted(references.get(here, ())):
            if further not in before:
                before[further] = here
                waiting.append(further)
    if name not in before:
        return []
    circle = [name, before[name]]
    while circle[-1] != name:
        circle.append(before[circle[-1]])
    return circle[::-1]


def cycle_of(references: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names along some circle, the first again at the end; empty where there is none."""
    done: set[str] = set()
    for start in sorted(references):
        found = _circle(start, references, done)
        if found:
            return found
    return []


def _circle(start: str, references: Mapping[str, Iterable[str]], done: set[str]) -> list[str]:
    way: dict[str, Iterator[str]] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here in way:
            return [*list(way)[list(way).index(here) :], here]
        if here not in done:
            way[here] = iter(sorted(references.get(here, ())))
        while way and not waiting:
            last = next(reversed(way))
            following = next((name for name in way[last] if name not in done), None)
            if following is None:
                done.add(last)
                del way[last]
            else:
                waiting.append(following)
    return []


def _leaves(document: SegmentDocument) -> Iterator[tuple[str, Condition]]:
    waiting: list[tuple[str, Condition]] = [
        (f"/rules/{index}/where", rule.where)
        for index, rule in reversed(list(enumerate(document.rules)))
    ]
    while waiting:
        pointer, node = waiting.pop()
        if isinstance(node, All | Any_):
            waiting += [
                (f"{pointer}/of/{i}", part) for i, part in reversed(list(enumerate(node.of)))
            ]
        elif isinstance(node, Not):
            waiting.append((f"{pointer}/of", node.of))
        else:
            yield pointer, node
