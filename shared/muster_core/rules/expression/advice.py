"""What to write instead, where a text is no expression: what people bring along from other languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from muster_core.rules.expression.word import DATE_PARTS, FUNCTIONS
from muster_core.spelling import nearest_names

_LONGEST = 40
#: How alike a word must be to be what was meant.
_ALIKE = 0.75
_CALLED = (*FUNCTIONS, *DATE_PARTS.values(), "all", "any", "measure", "sequence", "row")
#: Comparisons that other languages, or a sentence, write with other words.
_COMPARISONS = {
    **dict.fromkeys(("eq", "equals", "equal"), "="),
    **dict.fromkeys(("ne", "neq", "isnt", "isn"), "!="),
    **dict.fromkeys(("gt", "more", "greater", "over", "above", "exceeds", "bigger"), ">"),
    **dict.fromkeys(("lt", "less", "fewer", "under", "below", "smaller"), "<"),
    **dict.fromkeys(("gte", "ge"), ">="),
    **dict.fromkeys(("lte", "le"), "<="),
    **dict.fromkeys(("like", "ilike"), "contains, starts with, ends with or matches"),
    **dict.fromkeys(("rlike", "regexp"), "matches"),
    **dict.fromkeys(("isnull", "null"), "is not set"),
    **dict.fromkeys(("within", "during"), "in last 30 days"),
    "having": "a comparison after the aggregate, such as count(orders) >= 3",
}
_WINDOWS = frozenset(
    {"last", "next", "past", "this", "today", "yesterday", "tomorrow"}
    | {"between", "before", "from", "until", "year"}
)
_JOINING = frozenset({"in", "for", "within", "during", "over", "on"})
_SIGNS = {"&": "and", "|": "or", "[": "", "{": "", "!": "not"}
_UNITS = "second, minute, hour, day, week, month, quarter or year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where reading stopped: what was found there, what stood before, what may stand there."""

    before: str
    found: str
    after: str
    terminals: frozenset[str]

    @property
    def word(self) -> str:
        """Return the word found, as it is compared."""
        return self.found.casefold()

    @property
    def previous(self) -> str:
        """Return the word before."""
        match = re.search(r"(\w+)\s*\Z", self.before[-2 * _LONGEST :])
        return match[1].casefold() if match else ""

    @property
    def following(self) -> str:
        """Return the word after."""
        match = re.match(r"\s*(\w+)", self.after[:_LONGEST])
        return match[1].casefold() if match else ""

    def takes(self, *terminals: str) -> bool:
        """Whether all of these may stand here."""
        return self.terminals.issuperset(terminals)


def advice(stop: Stop, words: Iterable[str]) -> str | None:
    """Return what to write instead; `words` may stand here."""
    for advise in _ADVICE:
        if hint := advise(stop):
            return hint
    if stop.found == "(":  # an unknown function was read as the name of a column
        return _near(stop.previous, _CALLED)
    return _near(stop.found, words) if stop.found[:1].isalpha() else None


def _sign(stop: Stop) -> str | None:
    if stop.found in ("[", "{"):
        return "write a list in round brackets: ('GB', 'FR')"
    if stop.found in ("<", ">") and stop.before.endswith("="):
        return f"say {stop.found}="
    said = _SIGNS.get(stop.found[:1])
    return f"say {said}" if said else None


def _list(stop: Stop) -> str | None:
    if stop.previous == "in" and (stop.found[:1].isdigit() or stop.found in ("'", '"')):
        return "write a list in round brackets: in (1, 2), in ('GB', 'FR')"
    quoted = stop.takes("TEXT") and not stop.takes("NAME") and not stop.takes("_BY")
    if quoted and stop.found[:1].isalpha():
        return f"a text stands in quotes: '{stop.found}'"
    return None


def _window(stop: Stop) -> str | None:
    joined = stop.word in _JOINING and stop.following in _WINDOWS
    if stop.word not in _WINDOWS and not joined:
        return None
    if stop.takes("_IN_AT_LEAST"):
        return "the window stands inside the parentheses: count(orders, last 30 days) > 3"
    if stop.takes("COMMA", "RPAR"):
        return f"write a comma {'instead of ' + stop.word if joined else 'before the window'}: " + (
            "count(orders, last 30 days)"
        )
    return "say last" if stop.word == "past" else None


def _call(stop: Stop) -> str | None:
    """Return how to write what was begun like a sentence: no orders, count orders, measure spend."""
    if not stop.takes("OPERATOR"):
        return None
    before, name = stop.previous, stop.found
    if name[:1].isdigit() and before in _WINDOWS:
        return "say what lies in the window: signed_up in last 30 days, count(orders, last 30 days)"
    if not name[:1].isalpha() and name[:1] != "_":
        return None
    if before in ("no", "without", "never"):
        return f"say not exists({name})"
    if before in ("has", "have", "any", "some"):
        return f"say exists({name})"
    if before in (*FUNCTIONS, "measure", "sequence"):
        return f"write {before}({name}{' ...' if before not in ('measure', 'exists', 'count') else ''})"
    return None


def _comparison(stop: Stop) -> str | None:
    if stop.word == "than":
        return f"say {_COMPARISONS[stop.previous]}" if stop.previous in _COMPARISONS else None
    if not stop.takes("OPERATOR"):
        return None
    if stop.word == "not" and stop.following in _COMPARISONS:
        said = _COMPARISONS[stop.following]
        return f"put not before the whole comparison and say {said}"
    if stop.word == "at":
        return {"least": "say >=", "most": "say <="}.get(stop.following)
    said = _COMPARISONS.get(stop.word, "")
    return f"say {said}" if said else None


def _alone(stop: Stop) -> str | None:
    """Return what a column without a comparison may mean."""
    if not stop.takes("OPERATOR", "STATE") or stop.takes("_AND"):
        return None
    ends = not stop.found or stop.word in ("and", "or", "then") or stop.found in (")", ",")
    name = re.search(r"([\w.]+|`[^`]+`)\s*\Z", stop.before[-2 * _LONGEST :])
    return f"for a column of true and false, say {name[1]} is true" if ends and name else None


def _others(stop: Stop) -> str | None:
    if stop.terminals == {"_AND"} and stop.word in ("to", "or", ","):
        return "say and: between 1 and 10"
    if stop.word == "where" and stop.before.rstrip().endswith(","):
        return "no comma stands before where"
    if stop.takes("_BY") and (stop.found[:1].isalpha() or stop.found == "%"):
        return "such as top 10 by sum(total of orders), top 10% by points"
    if stop.takes("DURATION") and stop.found[:1].isdigit():
        return f"a duration is a whole number and {_UNITS}"
    value = stop.found[:1].isdigit() or stop.found[:1] in ("'", '"')
    if value and stop.takes("NAME", "EVERYONE") and stop.previous in ("and", "or"):
        return "say the column again, or write a list: country in ('GB', 'FR')"
    return None


_ADVICE: tuple[Callable[[Stop], str | None], ...] = (
    _sign,
    _list,
    _window,
    _call,
    _comparison,
    _alone,
    _others,
)


def _near(written: str, words: Iterable[str]) -> str | None:
    written = written.casefold()
    known = {word for word in words if word != written}
    swapped = [word for word in sorted(known) if sorted(word) == sorted(written)]
    if swapped:
        return f"did you mean {swapped[0]}?"
    close = nearest_names(written, known, count=1)
    alike = SequenceMatcher(None, written, close[0]).ratio() if close else 0
    return f"did you mean {close[0]}?" if alike >= _ALIKE else None
