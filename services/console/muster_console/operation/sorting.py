"""How lists that the database sorts say where their next page begins: runs, deliveries, the audit."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args, get_type_hints

from muster_console.operation.page import read_order, wrong_cursor
from muster_core.storage.ordering import Sorting

_KINDS = (bool, int, float, str, datetime)
_NUMBERS = range(-(2**63), 2**63)


def sortable(record: Any, **names: str) -> dict[str, tuple[str, type]]:
    """Return the columns a list of `record` can be sorted by, each with its field and what that holds.

    Args:
        record: the dataclass of a row.
        names: columns that are called otherwise than their field, as column=field.
    """
    hints = get_type_hints(record)
    found: dict[str, tuple[str, type]] = {}
    called = {field: column for column, field in names.items()}
    for field in fields(record):
        hint = hints[field.name]
        held = [k for k in get_args(hint) if k is not type(None)] if _either(hint) else [hint]
        kind = next(
            (k for k in _KINDS if isinstance(held[0], type) and issubclass(held[0], k)), None
        )
        if len(held) == 1 and kind is not None:
            found[called.get(field.name, field.name)] = (field.name, kind)
    return found


def read_sorting(sort: str, cursor: str | None, columns: Mapping[str, tuple[str, type]]) -> Sorting:
    """Read what a query says: a column, with - the largest first, and the `next` of the page before.

    Raises:
        InvalidInput: there is no such column, or the cursor is not one of this list and order.
    """
    order = read_order(sort, list(columns))
    field, kind = columns[order.column]
    if cursor is None:
        return Sorting(column=field, down=order.down)
    try:
        found = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise wrong_cursor() from exc
    match found:
        case [str(said), value, int(last)] if (
            said == order.text() and last in _NUMBERS and not isinstance(last, bool)
        ):
            return Sorting(column=field, down=order.down, after=(_value(value, kind), last))
    raise wrong_cursor()


def next_cursor(
    items: Sequence[Any],
    limit: int,
    sort: str,
    columns: Mapping[str, tuple[str, type]],
    *,
    number: str,
) -> str | None:
    """Return the cursor of the page behind `items`, None where there are fewer than `limit`.

    `number` is the field that tells them apart.
    """
    if len(items) < limit or not items:
        return None
    field, _ = columns[sort.removeprefix("-")]
    value = getattr(items[-1], field)
    if isinstance(value, datetime):
        value = value.isoformat()
    place = json.dumps([sort, value, getattr(items[-1], number)])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _either(hint: Any) -> bool:
    return isinstance(hint, UnionType)


def _storable(text: str) -> bool:
    # half a character or a zero is in no column, and no query can hold it
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _value(value: object, kind: type) -> object:
    """Return a value that a column can be compared with; cursors come from anybody."""
    match value:
        case None:
            return None
        case bool() if kind is bool:
            return value
        case int() if kind in (int, float) and not isinstance(value, bool) and value in _NUMBERS:
            return value
        case float() if kind is float and math.isfinite(value):
            return value
        case str() if kind is str and _storable(value):
            return value
        case str() if kind is datetime:
            try:
                found = datetime.fromisoformat(value)
                return found.astimezone(UTC)
            except (ValueError, OverflowError) as exc:
                raise wrong_cursor() from exc
    raise wrong_cursor()
