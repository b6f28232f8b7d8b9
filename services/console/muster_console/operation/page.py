"""Pages of a list: sorted by any column, and a cursor that says where to go on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from muster_core.errors import InvalidInput, Problem

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Some of a list; `next` is the cursor of the page behind it, None at the end."""

    items: list[Item]
    total: int
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A column to sort by, and whether downwards."""

    column: str
    down: bool

    def text(self) -> str:
        """Return it as a query says it."""
        return f"-{self.column}" if self.down else self.column


def read_order(text: str, columns: Sequence[str]) -> Order:
    """Read ``column`` or ``-column``.

    Raises:
        InvalidInput: there is no such column.
    """
    order = Order(column=text.removeprefix("-"), down=text.startswith("-"))
    if order.column not in columns:
        hint = f"one of {', '.join(columns)}, with - in front for the largest first"
        raise InvalidInput(
            [
                Problem(
                    message="there is no such column to sort by", pointer="/query/sort", hint=hint
                )
            ]
        )
    return order


def page_of(
    items: Sequence[Item],
    order: Order,
    *,
    limit: int,
    cursor: str | None,
    name: Callable[[Item], str],
    value: Callable[[Item, str], Any] = getattr,
) -> Page[Item]:
    """Return one page of `items`; equal values stand by name, missing ones last.

    `value` tells what an item has in a column.

    Raises:
        InvalidInput: the cursor is not one of this list and order.
    """

    def place(item: Item) -> tuple[Any, str]:
        found = value(item, order.column)
        # a list stands where its text would
        return ", ".join(map(str, found)) if isinstance(found, list | tuple) else found, name(item)

    by_name = sorted(items, key=name)
    present = [item for item in by_name if place(item)[0] is not None]
    present.sort(key=lambda item: _comparable(place(item)[0]), reverse=order.down)
    ordered = present + [item for item in by_name if place(item)[0] is None]
    start = _start(ordered, order, cursor, place) if cursor else 0
    shown = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return Page(
        items=shown,
        total=len(items),
        next=_cursor(order, place(shown[-1])) if more and shown else None,
    )


def _start(
    ordered: Sequence[Item], order: Order, cursor: str, place: Callable[[Item], tuple[Any, str]]
) -> int:
    value, last = _read_cursor(order, cursor)
    places = [place(item) for item in ordered]
    for index, (_, name) in enumerate(places):
        if name == last:
            return index + 1
    # the last one shown is gone meanwhile: go on where it stood
    for index, (own, name) in enumerate(places):
        if value is not None and own is None:
            return index
        if value is None or own is None:
            if own is None and name > last:
                return index
            continue
        a, b = _comparable(own), _comparable(value)
        try:
            behind = (b > a) if order.down else (a > b)
        except TypeError as exc:
            raise wrong_cursor() from exc
        if behind or (a == b and name > last):
            return index
    return len(ordered)


def _comparable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").casefold()
    return value.casefold() if isinstance(value, str) else value


def _cursor(order: Order, place: tuple[Any, str]) -> str:
    value, name = place
    if isinstance(value, datetime):
        value = _comparable(value)
    return base64.urlsafe_b64encode(json.dumps([order.text(), value, name]).encode()).decode()


def _read_cursor(order: Order, cursor: str) -> tuple[Any, str]:
    try:
        found = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise wrong_cursor() from exc
    match found:
        case [str(text), None | str() | int() | float() as value, str(name)] if (
            text == order.text()
        ):
            return value, name
    raise wrong_cursor()


def place_text(version: int, skip: int) -> str:
    """Return the cursor of a place in a list that never changes: a version, and how many come before."""
    return base64.urlsafe_b64encode(json.dumps([version, skip]).encode()).decode()


def read_place(cursor: str | None, version: int | None) -> tuple[int | None, int]:
    """Return the version and the number to skip that a cursor of `place_text` names; without one the start.

    Raises:
        InvalidInput: it is no such cursor, or one of another version.
    """
    if cursor is None:
        return version, 0
    try:
        found = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise wrong_cursor() from exc
    match found:
        case [int(read), int(skip)] if read in _PLACES and skip in _PLACES:
            if version in (None, read):
                return read, skip
    raise wrong_cursor()


#: Versions and places are numbers of a database.
_PLACES = range(2**63)


def wrong_cursor() -> InvalidInput:
    """Return the error of a cursor that is none of the list asked for."""
    return InvalidInput(
        [
            Problem(
                message="the cursor is not one of this list",
                pointer="/query/cursor",
                hint="take `next` of the page before, with the same query",
            )
        ]
    )
