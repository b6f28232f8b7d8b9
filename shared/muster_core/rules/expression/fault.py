"""Why a text is no expression, in words of the language: where, what was found, what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lark import Lark
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from muster_core.rules.expression.advice import Stop, advice
from muster_core.rules.expression.word import DATE_PARTS, FUNCTIONS

#: What may come next, told as one thing: all of the group's first terminals are expected.
_GROUPS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"EVERYONE", "FUNCTION", "_NOT", "NAME"}),
        "a condition, such as country = 'GB' or count(orders) >= 3",
    ),
    (
        frozenset({"OPERATOR", "STATE", "BETWEEN"}),
        "a comparison, such as =, >, in, between, contains or is set",
    ),
    (
        frozenset({"LAST", "CALENDAR", "NEXT"}),
        "a window, such as last 30 days or this month",
    ),
    (frozenset({"TEXT", "NUMBER", "TRUTH"}), "a value, such as 'GB', 10 or true"),
)
_STARTS = "LPAR _ALL _ANY DATE_PART _FIRST_ROW _LAST_ROW _SEQUENCE _MEASURE _SEGMENT TOP _SAMPLE"
_COMPARING = "IN NOT_IN NOT_BETWEEN BEFORE AFTER FROM UNTIL _ON COMPARE _HELD _WITH"
#: Terminals a group stands for beside its own.
_COVERED = {
    0: frozenset(_STARTS.split()),
    1: frozenset(_COMPARING.split()),
    2: frozenset({"DAY", "BETWEEN", "BEFORE", "FROM", "UNTIL"}),
    3: frozenset({"DURATION", "LPAR"}),
}
_WORDS = {
    "NAME": "a name",
    "TEXT": "a text in quotes",
    "NUMBER": "a number",
    "DURATION": "a duration, such as 30 days",
    "TRUTH": "true or false",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "COLON": ":",
    "SLASH": "/",
    "_PERCENT": "%",
    "FUNCTION": "an aggregate, such as count(orders)",
    "_MEASURE": "measure(name)",
    "_IN_AT_LEAST": "in at least",
    "_AHEAD": "ahead",
    "_HAS": "has",
    "_SEGMENT": "in segment",
    "CALENDAR": "this month",
    "TOP": "top",
    "STATE": "is set",
    "OPERATOR": "=",
    "UNTIL": "to",
    "$END": "the end",
}
#: Endings of a condition that are always possible are told last and only where little else is.
_SPELLED = ("NOT_BETWEEN", "COMPARE", "_WITH", "NOTHING")
#: Words of the terminals whose names do not tell them.
_SPELLINGS = {
    "OPERATOR": ("contains", "starts", "ends", "matches", "is"),
    "STATE": ("is",),
    "FUNCTION": FUNCTIONS,
    "DATE_PART": tuple(DATE_PARTS.values()),
    "CALENDAR": ("today", "yesterday", "tomorrow", "this", "last", "next"),
    "TOP": ("top", "bottom"),
    "_HAS": ("has", "having"),
    "TRUTH": ("true", "false"),
    "UNTIL": ("until", "to"),
    **dict.fromkeys(("NAME", "TEXT", "NUMBER", "DURATION", "COMPARE"), ()),
}
_PIECE = re.compile(r"\w+|\s*\Z|.", re.DOTALL)
_LONGEST = 40


def offset_of(text: str, exc: UnexpectedInput) -> int:
    """Return where reading stopped."""
    if isinstance(exc, UnexpectedEOF) or (
        isinstance(exc, UnexpectedToken) and exc.token.type == "$END"
    ):
        return len(text.rstrip())
    position = getattr(exc, "pos_in_stream", None)
    return len(text) if position is None else position


def fault_of(text: str, offset: int, exc: UnexpectedInput, parser: Lark) -> tuple[str, str | None]:
    """Return message and hint."""
    found = _found(text, offset)
    if found[:1] in ("'", '"', "`") and text.count(found, offset) % 2:
        return f"the {'name' if found == '`' else 'text'} that begins here does not end", (
            "a quote inside is written twice" if found != "`" else None
        )
    terminals = _terminals(text, offset, exc, parser)
    shown = f"found {found}" if found else "the text ends"
    return f"expected {_expected(terminals)}, but {shown}", _hint(text, offset, found, terminals)


def _terminals(text: str, offset: int, exc: UnexpectedInput, parser: Lark) -> set[str]:
    if isinstance(exc, UnexpectedToken):
        return set(exc.accepts or exc.expected)
    if not isinstance(exc, UnexpectedCharacters):
        return set()
    # a strange character: the lexer knows what it looks for, the parser what would be right
    state = parser.parse_interactive(text[:offset])
    try:
        state.exhaust_lexer()
    except UnexpectedInput:
        return set(exc.allowed or ())
    return set(state.accepts())  # type: ignore[no-untyped-call]


def _expected(terminals: set[str]) -> str:
    left, told = set(terminals), []
    for index, (group, words) in enumerate(_GROUPS):
        if group <= terminals:
            told.append(words)
            left -= group | _COVERED[index]
    left -= set(_SPELLED) if told else set()
    told += sorted(_WORDS.get(name, _plain(name)) for name in left if name != "$END")
    if "$END" in left or not told:
        told.append(_WORDS["$END"])
    return _listed(told)


def _plain(terminal: str) -> str:
    return terminal.strip("_").lower().replace("_", " ")


def _listed(words: Iterable[str]) -> str:
    known = list(dict.fromkeys(words))
    if len(known) == 1:
        return known[0]
    return (
        f"{'; '.join(known[:-1])}; or {known[-1]}"
        if any("," in w for w in known)
        else f"{', '.join(known[:-1])} or {known[-1]}"
    )


def _found(text: str, offset: int) -> str:
    piece = _PIECE.match(text, offset)
    return piece[0].strip()[:_LONGEST] if piece else ""


def _hint(text: str, offset: int, found: str, terminals: set[str]) -> str | None:
    stop = Stop(
        before=text[:offset],
        found=found,
        after=text[offset + len(found) :],
        terminals=frozenset(terminals),
    )
    words = (word for name in terminals for word in _SPELLINGS.get(name, (_plain(name),)))
    return advice(stop, {word for several in words for word in several.split()})
