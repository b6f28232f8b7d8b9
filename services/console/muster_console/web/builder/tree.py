"""Plain documents as trees: what stands at a JSON pointer, and new trees with one place changed.

A tree is what JSON has, with numbers exact (`int` and `Decimal`). It is never changed: every change makes a
new one that shares all it did not touch, so that keeping each step for undoing costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: A document or a part of one: dict, list, text, number, truth or None.
Plain = Any


def parts(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer, the empty one being the whole document."""
    return [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]


def inside(pointer: str, step: str | int) -> str:
    """Return the pointer of what stands one step inside."""
    return f"{pointer}/{str(step).replace('~', '~0').replace('/', '~1')}"


def split(pointer: str) -> tuple[str, str]:
    """Return the pointer of what surrounds a place, and the last step to it."""
    outer, _, last = pointer.rpartition("/")
    return outer, last.replace("~1", "/").replace("~0", "~")


def within(pointer: str, outer: str) -> bool:
    """Whether a place is `outer` or stands inside it."""
    return pointer == outer or pointer.startswith(f"{outer}/")


def at(tree: Plain, pointer: str) -> Plain:
    """Return what stands at a pointer.

    Raises:
        LookupError: nothing does.
    """
    for step in parts(pointer):
        if isinstance(tree, dict):
            tree = tree[step]
        elif isinstance(tree, list) and step.isdecimal():
            tree = tree[int(step)]
        else:
            raise LookupError(pointer)
    return tree


def found(tree: Plain, pointer: str) -> bool:
    """Whether something stands at a pointer."""
    try:
        at(tree, pointer)
    except LookupError:
        return False
    return True


def updated(tree: Plain, pointer: str, change: Callable[[Plain], Plain]) -> Plain:
    """Return the tree with `change` made to what stands at a pointer.

    Raises:
        LookupError: nothing stands there.
    """
    return _updated(tree, parts(pointer), change)


def _updated(tree: Plain, steps: list[str], change: Callable[[Plain], Plain]) -> Plain:
    if not steps:
        return change(tree)
    first, *rest = steps
    if isinstance(tree, dict):
        return {**tree, first: _updated(tree[first], rest, change)}
    if isinstance(tree, list) and first.isdecimal():
        index = int(first)
        return [*tree[:index], _updated(tree[index], rest, change), *tree[index + 1 :]]
    raise LookupError(first)


def put(tree: Plain, pointer: str, value: Plain) -> Plain:
    """Return the tree with `value` at a field, which may be new, or at a place of a list.

    Raises:
        LookupError: what should surround it is not there.
    """
    outer, last = split(pointer)

    def change(around: Plain) -> Plain:
        if isinstance(around, dict):
            return {**around, last: value}
        if isinstance(around, list) and last.isdecimal() and int(last) < len(around):
            return [*around[: int(last)], value, *around[int(last) + 1 :]]
        raise LookupError(pointer)

    return updated(tree, outer, change) if pointer else value


def without(tree: Plain, pointer: str) -> Plain:
    """Return the tree without a field, which may be absent already, or without an entry of a list.

    Raises:
        LookupError: what surrounds it is not there, or a list has no such entry.
    """
    outer, last = split(pointer)

    def change(around: Plain) -> Plain:
        if isinstance(around, dict):
            return {name: inner for name, inner in around.items() if name != last}
        if isinstance(around, list) and last.isdecimal() and int(last) < len(around):
            return [*around[: int(last)], *around[int(last) + 1 :]]
        raise LookupError(pointer)

    return updated(tree, outer, change)


def inserted(tree: Plain, pointer: str, index: int, value: Plain) -> Plain:
    """Return the tree with `value` in the list at a pointer, before the entry `index`; a list that is absent is new.

    Raises:
        LookupError: what surrounds it is not there.
    """
    if not found(tree, pointer):
        return put(tree, pointer, [value])
    return updated(tree, pointer, lambda entries: [*entries[:index], value, *entries[index:]])
