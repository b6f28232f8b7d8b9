"""Definitions as people without the grant ``members`` read them: what names a customer is hidden, and stays.

Somebody may write a customer's key into a list by hand, or a value of a personal column into a rule. Who may not
see member data reads a placeholder such as ``(hidden 3.0)`` instead: the first hidden value of revision 3. A
definition that comes back with placeholders means the values they stand for, wherever they are moved to among the
places where values are hidden; so it can be edited by whoever may not see them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from muster_core.catalog.document import Catalog
from muster_core.catalog.personal import naming_columns, personal_names

_PLACEHOLDER = re.compile(r"\(hidden (0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\)")
#: Comparisons with a personal column that say nothing of one customer's value; of a key all are hidden.
_LOOSE = frozenset(
    (
        *("gt", "gte", "lt", "lte", "between", "not_between", "matches", "not_matches"),
        *("contains", "not_contains", "starts_with", "not_starts_with"),
        *("ends_with", "not_ends_with", "is_set", "is_not_set", "is_true", "is_false"),
        *("in_window", "not_in_window", "anniversary_in_window"),
        *("day_of", "month_of", "year_of", "weekday_of"),
    )
)
#: Functions of an aggregate whose result is a value of the column.
_PICKING = frozenset(("min", "max", "first", "last"))
#: Where a draft whose form is wrong may hold an expression that nothing could read.
_EXPRESSIONS = frozenset(("where", "having", "rules", "steps", "of"))

Scalar = str | int | Decimal
#: Returns what stands in the place of a hidden value.
Change = Callable[[Any], Any]


def is_placeholder(value: object) -> bool:
    """Whether a value stands for a hidden one."""
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value) is not None


def revision_meant(placeholder: str) -> int:
    """Return the revision whose value a placeholder stands for."""
    return int(placeholder[len("(hidden ") :].partition(".")[0])


def placeholders_in(data: object) -> Iterator[str]:
    """Yield every placeholder in a text or in plain data, also those inside of expressions."""
    if isinstance(data, str):
        yield from (found[0] for found in _PLACEHOLDER.finditer(data))
    elif isinstance(data, Mapping):
        for inner in data.values():
            yield from placeholders_in(inner)
    elif isinstance(data, list | tuple):
        for inner in data:
            yield from placeholders_in(inner)


class Veil:
    """Hides, in definitions as plain data, what names a customer; without a catalog only lists by hand do."""

    def __init__(self, catalog: Catalog | None) -> None:
        self._catalog = catalog
        self._words: frozenset[str] = frozenset()
        if catalog is not None:
            tables = (catalog.profile, *catalog.tables.values())
            self._words = frozenset(n for t in tables for n in personal_names(catalog, t))

    def cover(
        self, document: Mapping[str, Any], rev: int, known: Mapping[str, Scalar] | None = None
    ) -> tuple[dict[str, Any], dict[str, Scalar]]:
        """Return a stored definition with its values hidden, and what each placeholder stands for.

        Equal values have one placeholder; those of `known`, placeholders of another revision, keep theirs.
        """
        held: dict[tuple[type, Any], str] = {
            (type(value), value): placeholder for placeholder, value in (known or {}).items()
        }
        made: dict[str, Scalar] = {}

        def hide(value: Any) -> str:
            own = (type(value), value)
            if own not in held:
                held[own] = f"(hidden {rev}.{len(made)})"
                made[held[own]] = value
            return held[own]

        return self.changed(document, hide), {**(known or {}), **made}

    def uncover(self, document: Any, values: Mapping[str, Scalar]) -> Any:
        """Return a definition with the placeholders replaced that stand where values are hidden."""
        return self.changed(document, lambda v: values.get(v, v) if isinstance(v, str) else v)

    def changed(self, document: Any, change: Change) -> Any:
        """Return plain data with every value changed that is hidden, in an order that is always the same."""
        return self._node(document, None, change)

    def _node(self, node: Any, table: str | None, change: Change) -> Any:
        if isinstance(node, list | tuple):
            return [self._node(inner, table, change) for inner in node]
        if not isinstance(node, Mapping):
            return node
        inside = node["table"] if isinstance(node.get("table"), str) else table
        found: dict[str, Any] = {}
        # the database keeps fields in an order of its own
        for name in sorted(node, key=str):
            inner = node[name]
            hides = (
                name == "manual"
                or (name == "value" and self._hides(node, inside))
                or (name in _EXPRESSIONS and self._is_telling(inner))
            )
            found[name] = _each(inner, change) if hides else self._node(inner, inside, change)
        return {name: found[name] for name in node}

    def _hides(self, node: Mapping[str, Any], table: str | None) -> bool:
        """Whether the value of a condition is one that is hidden."""
        column = node.get("column")
        aggregate = node.get("aggregate")
        if isinstance(aggregate, Mapping):
            column = aggregate.get("column") if aggregate.get("function") in _PICKING else None
        if not isinstance(column, str) or self._catalog is None:
            return False
        naming, personal = self._columns(self._catalog, table, column)
        # of a value that was held the comparison is of a duration
        loose = node.get("kind") != "held" and node.get("compare") in _LOOSE
        return naming or (personal and not loose)

    def _columns(self, catalog: Catalog, table: str | None, column: str) -> tuple[bool, bool]:
        """Return whether a column, seen from a table or the profile, names customers, and whether it is personal."""
        own = catalog.profile if table is None else catalog.table(table)
        tables = [] if own is None else [(own, column)]
        prefix, dot, last = column.partition(".")
        if dot and (own is None or column not in own.columns):
            ways = [r.parent[0] for r in catalog.relationships if r.name == prefix]
            tables = [(t, last) for name in (prefix, *ways) if (t := catalog.table(name))]
        naming = any(name in naming_columns(catalog, table) for table, name in tables)
        return naming, naming or any(name in table.personal for table, name in tables)

    def _is_telling(self, value: Any) -> bool:
        """Whether a value is an expression, which nothing could read, that speaks of a column with such values."""
        if isinstance(value, list):
            return any(isinstance(one, str) and self._is_telling(one) for one in value)
        return isinstance(value, str) and bool(
            self._words & set(re.findall(r"\w+", value)) or is_placeholder(value)
        )


def _each(value: Any, change: Change) -> Any:
    """Return a value, or a list or mapping of values, with each changed; flags say nothing of anybody."""
    if isinstance(value, Mapping):
        # a column or a time beside it
        keep = value.keys() <= {"column", "ago", "ahead"}
        return dict(value) if keep else {n: _each(value[n], change) for n in sorted(value)}
    if isinstance(value, list | tuple):
        return [_each(one, change) for one in value]
    if value is None or isinstance(value, bool):
        return value
    return change(value)
