"""The words of the language: comparisons as people write them, and names that must be quoted."""

from __future__ import annotations

import re

from muster_core.rules.value import CALENDAR

#: How a comparison with one value is written; other shapes of comparison have rules of their own.
OPERATORS = {
    "eq": "=",
    "ne": "!=",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "contains": "contains",
    "not_contains": "not contains",
    "contains_item": "contains item",
    "not_contains_item": "not contains item",
    "starts_with": "starts with",
    "not_starts_with": "not starts with",
    "ends_with": "ends with",
    "not_ends_with": "not ends with",
    "matches": "matches",
    "not_matches": "not matches",
}
#: How a comparison without a value is written.
STATES = {
    "is_set": "is set",
    "is_not_set": "is not set",
    "is_true": "is true",
    "is_false": "is false",
}
DATE_PARTS = {
    "day_of": "day",
    "month_of": "month",
    "year_of": "year",
    "weekday_of": "weekday",
    "anniversary_in_window": "anniversary",
}
FUNCTIONS = ("count", "count_distinct", "sum", "avg", "min", "max", "first", "last", "exists")
_SYNONYMS = {"==": "eq", "<>": "ne", "is": "eq", "is not": "ne", "before": "lt", "after": "gt"}
_COMPARES = {written: compare for compare, written in OPERATORS.items()} | _SYNONYMS
_FUNCTION_SYNONYMS = {"average": "avg", "minimum": "min", "maximum": "max", "exist": "exists"}

_SPACE = re.compile(r"[_\s]+")

#: Words that mean something somewhere; a name that is one of them is quoted.
_WORDS = """
after ago ahead all and any average anniversary at avg before between bottom by contain contains count
count_distinct day day_of distinct does ends end eq everybody everyone exist exists false first for from
gt gte has having held if ignore ignoring in include including is item last last_row first_row least less
lt lte match matches max maximum measure member min minimum month ne next not nothing now of on or order
ordered percent period periods salt salted sample segment sequence start starts sum than the then this
times to today tomorrow top true until via weekday where with within year yesterday
"""
RESERVED = frozenset(_WORDS.split()) | frozenset(CALENDAR)

_PLAIN = re.compile(r"[^\W\d]\w*")


def operator(token: str) -> str:
    """Return the comparison a token stands for."""
    words = _SPACE.sub(" ", token.casefold())
    if words in _COMPARES:
        return _COMPARES[words]
    negated = words.startswith(("not ", "does not "))
    words = words.removeprefix("does ").removeprefix("not ")
    first, _, rest = words.partition(" ")
    stem = {"match": "matches"}.get(first, first if first.endswith("s") else f"{first}s")
    return ("not_" if negated else "") + "_".join(part for part in (stem, rest) if part)


def state(token: str) -> str:
    """Return the comparison without value a token stands for."""
    words = _SPACE.sub(" ", token.casefold())
    if words in ("is true", "is false"):
        return words.replace(" ", "_")
    missing = words.endswith(("missing", "empty", "null"))
    return "is_set" if missing == (" not " in words) else "is_not_set"


def function(token: str) -> str:
    """Return the aggregate function a token stands for."""
    return _FUNCTION_SYNONYMS.get(token.casefold(), token.casefold())


def date_part(token: str) -> str:
    """Return the comparison of a date's part a token stands for."""
    word = _SPACE.sub(" ", token.casefold()).removesuffix(" of")
    return next(compare for compare, part in DATE_PARTS.items() if part == word)


def calendar(token: str) -> str:
    """Return the name of a calendar window a token stands for."""
    return _SPACE.sub("_", token.casefold())


def write_name(name: str) -> str:
    """Return a name as it is written: plain, or in backticks where it would be read as something else."""
    parts = name.split(".")
    plain = all(_PLAIN.fullmatch(part) for part in parts)
    if plain and (len(parts) > 1 or _folded(name) not in RESERVED):
        return name
    return "`" + name.replace("`", "``") + "`"


def _folded(name: str) -> str:
    # a regular expression that ignores case takes these for an i as well
    return name.casefold().replace("i\u0307", "i").replace("\u0131", "i")


def read_name(token: str) -> str:
    """Return the name a token writes."""
    return re.sub(r"`((?:[^`]|``)*)`", lambda found: found[1].replace("``", "`"), token)


def write_text(text: str) -> str:
    """Return a text in quotes; a quote inside stands twice, everything else as it is."""
    return "'" + text.replace("'", "''") + "'"


def read_text(token: str) -> str:
    """Return the text a quoted token writes."""
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)
