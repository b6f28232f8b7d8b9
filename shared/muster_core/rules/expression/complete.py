"""What may come next at a place of an expression, as plain data for an editor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lark import Token
from lark.exceptions import UnexpectedInput

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.rules.expression.parse import grammar
from muster_core.rules.expression.word import FUNCTIONS, OPERATORS, read_name, write_name
from muster_core.rules.misfit import Misfit
from muster_core.rules.scope import Scope, Scopes
from muster_core.rules.value import CALENDAR

SuggestionKind = Literal[
    "column",
    "table",
    "relationship",
    "segment",
    "measure",
    "operator",
    "window",
    "keyword",
    "function",
]

_PARTIAL = re.compile(r"[\w.`]*\Z")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_ROWS = ("FUNCTION", "_FIRST_ROW", "_LAST_ROW", "_SEQUENCE")
_TIME_WORDS = ("in last 30 days", "before 30 days ago", "on day -1")
_ORDER = ("=", "!=", ">", ">=", "<", "<=", "in (", "not in (", "between")
_TEXT = tuple(OPERATORS[c] for c in OPERATORS if c[:2] not in ("gt", "lt") and "item" not in c)
_BY_TYPE = {
    Kind.TEXT: (*_TEXT, "in (", "not in ("),
    Kind.BOOLEAN: ("is true", "is false", "="),
    Kind.DATE: (*_ORDER, *_TIME_WORDS),
    Kind.TIMESTAMP: (*_ORDER, *_TIME_WORDS),
    Kind.ARRAY: ("contains item", "not contains item", "in (", "not in ("),
}
_ALWAYS = ("is set", "is not set")
#: What a terminal is written as; those with names and operators are looked up.
_WORDS: dict[str, tuple[SuggestionKind, tuple[str, ...]]] = {
    "_AND": ("keyword", ("and",)),
    "_OR": ("keyword", ("or",)),
    "_NOT": ("keyword", ("not",)),
    "EVERYONE": ("keyword", ("everyone",)),
    "_ALL": ("keyword", ("all(",)),
    "_ANY": ("keyword", ("any(",)),
    "DATE_PART": ("function", ("day(", "month(", "year(", "weekday(", "anniversary(")),
    "FUNCTION": ("function", tuple(f"{name}(" for name in FUNCTIONS if name != "count_distinct")),
    "_FIRST_ROW": ("function", ("first row (",)),
    "_LAST_ROW": ("function", ("last row (",)),
    "_SEQUENCE": ("function", ("sequence(",)),
    "_MEASURE": ("function", ("measure(",)),
    "_SEGMENT": ("keyword", ("in segment",)),
    "IF_FRESH": ("keyword", ("if fresh",)),
    "TOP": ("keyword", ("top 100 by", "top 10% by", "bottom 100 by")),
    "_SAMPLE": ("keyword", ("sample 10% salt",)),
    "_SALT": ("keyword", ("salt",)),
    "_VIA": ("keyword", ("via",)),
    "_OF": ("keyword", ("of",)),
    "_BY": ("keyword", ("by",)),
    "DISTINCT": ("keyword", ("distinct",)),
    "_WHERE": ("keyword", ("where",)),
    "_HAS": ("keyword", ("has (",)),
    "_THEN": ("keyword", ("then",)),
    "WITHIN": ("window", ("within 7 days",)),
    "INCLUDING_FUTURE": ("keyword", ("including future",)),
    "ORDERED_BY": ("keyword", ("ordered by",)),
    "IGNORING_CASE": ("keyword", ("ignoring case",)),
    "_TIMES": ("keyword", ("times",)),
    "_HELD": ("keyword", ("held",)),
    "_FOR": ("keyword", ("for at least 30 days", "for less than 30 days")),
    "_IN_AT_LEAST": ("keyword", ("in at least 3 of last 12 months",)),
    "LAST": ("window", ("last 30 days",)),
    "NEXT": ("window", ("next 7 days",)),
    "CALENDAR": ("window", tuple(name.replace("_", " ") for name in CALENDAR)),
    "DAY": ("window", ("day -1",)),
    "TRUTH": ("keyword", ("true", "false")),
    "AGO": ("keyword", ("ago",)),
    "_AHEAD": ("keyword", ("ahead",)),
}
#: Forms of a window that also begin comparisons, where operators tell them.
_FRAMED = (
    "between 14 days and 7 days ago",
    "before 30 days ago",
    "from '2026-01-01' to '2026-02-01'",
    "until '2026-01-01'",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One text that may stand from `start` to the cursor."""

    text: str
    kind: SuggestionKind
    start: int
    #: The type of a column.
    detail: str | None = None


def complete(
    text: str,
    cursor: int,
    catalog: Catalog,
    *,
    segments: Iterable[str] = (),
    measures: Iterable[str] = (),
) -> list[Suggestion]:
    """Return what may be written at `cursor`; nothing inside quotes or after a mistake."""
    head = text[:cursor]
    if any(quote in _QUOTED.sub("", head) for quote in "'\""):
        return []
    partial = _PARTIAL.search(head)
    start = partial.start() if partial else cursor
    state = grammar().parse_interactive(head[:start])
    try:
        tokens = state.exhaust_lexer()
    except UnexpectedInput:
        return []
    place = _Place(tokens=tokens, scopes=Scopes(catalog))
    names = {"segment": sorted(segments), "measure": sorted(measures)}
    accepts: set[str] = state.accepts()  # type: ignore[no-untyped-call]
    found = place.suggestions(accepts, names)
    typed = head[start:].casefold()
    return [
        Suggestion(text=written, kind=kind, start=start, detail=detail)
        for written, kind, detail in dict.fromkeys(found)
        if written.casefold().startswith(typed)
    ]


_Found = tuple[str, SuggestionKind, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A place in an expression: the tokens before it, and the catalog."""

    tokens: Sequence[Token]
    scopes: Scopes

    def suggestions(self, accepts: set[str], names: dict[str, list[str]]) -> Iterator[_Found]:
        """Yield what the grammar accepts here, names first."""
        if "NAME" in accepts:
            yield from self._names(names)
        if "OPERATOR" in accepts:
            yield from ((word, "operator", None) for word in self._operators())
        elif "BETWEEN" in accepts or "BEFORE" in accepts:
            yield from ((word, "window", None) for word in _FRAMED)
        for terminal in sorted(accepts & _WORDS.keys()):
            kind, words = _WORDS[terminal]
            yield from ((word, kind, None) for word in words)

    def _names(self, names: dict[str, list[str]]) -> Iterator[_Found]:
        last = self._type(1)
        if last in ("_VIA", "SLASH"):
            for relationship in self.scopes.catalog.relationships:
                yield write_name(relationship.name), "relationship", None
        elif last == "_SEGMENT":
            yield from ((write_name(name), "segment", None) for name in names["segment"])
        elif last == "LPAR" and self._type(2) == "_MEASURE":
            yield from ((write_name(name), "measure", None) for name in names["measure"])
        elif last in ("_OF", "DISTINCT") or (last == "LPAR" and self._type(2) in _ROWS):
            for table in sorted(self.scopes.catalog.tables):
                yield write_name(table), "table", None
        else:
            for name, kind in sorted(self._named().items()):
                yield write_name(name), "column", str(kind)

    def _named(self) -> dict[str, ColumnType]:
        """Return the columns that can be named here, with their types."""
        scope = self._scope()
        return {} if scope is None else columns_of(self.scopes, scope)

    def _operators(self) -> Sequence[str]:
        if self._type(1) == "RPAR":
            return _ORDER
        kind = self._named().get(read_name(self.tokens[-1])) if self.tokens else None
        if kind is None:
            return (*_ORDER, *_ALWAYS)
        return (*_BY_TYPE.get(kind.kind, _ORDER), *_ALWAYS)

    def _type(self, back: int) -> str:
        return self.tokens[-back].type if len(self.tokens) >= back else ""

    def _scope(self) -> Scope | None:
        """Return the columns that can be named here: those of the rows around, or of the profile."""
        begin = self._opened()
        if begin is None:
            return self.scopes.profile
        inside = self.tokens[begin:]
        named = [i for i, token in enumerate(inside) if token.type == "NAME"]
        of = next((i for i, token in enumerate(inside) if token.type == "_OF"), None)
        at = next((i for i in named if of is None or i > of), None)
        if at is None:
            return None
        try:
            return self.scopes.table(read_name(inside[at]))
        except Misfit:
            return None

    def _opened(self) -> int | None:
        """Return the index after the parenthesis of the rows this place is inside."""
        opened: list[tuple[int, bool]] = []
        for index, token in enumerate(self.tokens):
            if token.type == "LPAR":
                before = self.tokens[index - 1].type if index else ""
                # the rows of `last row (orders) has (...)` are named before
                opened.append((index + 1, before in _ROWS))
            elif token.type == "RPAR" and opened:
                opened.pop()
        return next((begin for begin, rows in reversed(opened) if rows), None)


def columns_of(scopes: Scopes, scope: Scope) -> dict[str, ColumnType]:
    """Return every column that can be named in a place of the catalog, with its type."""
    found = _columns(scope)
    if scope is scopes.profile:
        for table in filter(scopes.one_to_one, sorted(scopes.catalog.tables)):
            columns = scopes.catalog.tables[table].columns
            found |= {f"{table}.{name}": parse_type(kind) for name, kind in columns.items()}
    return found


def _columns(scope: Scope) -> dict[str, ColumnType]:
    names = list(scope.columns)
    for _, reference in scope.reached:
        names += [f"{way}.{column}" for way in reference.names for column in reference.columns]
    names += [f"{scope.profile}.{column}" for column in scope.profile_columns if scope.profile]
    found: dict[str, ColumnType] = {}
    for name in names:
        try:
            found[name] = scope.find(name).kind
        except Misfit:
            continue
    return found
