"""What a condition says of one value, and whether several such facts leave the value nothing to be.

Sound and not complete: what is called contradictory can never hold, other contradictions may go unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_core.rules.interval import Intervals, common, complement, discrete, intervals
from muster_core.rules.predicate import (
    CalendarPart,
    FloatRanges,
    IsSet,
    Predicate,
    ScaledRanges,
    SomeElement,
    TextIn,
    TextLike,
    Truth,
    WholeRanges,
)
from muster_core.rules.span import Span

#: More texts than this are not held against other conditions one by one.
_MOST_TEXTS = 20_000
_PARTS = {"day": (1, 31), "month": (1, 12), "weekday": (1, 7), "year": (None, None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """The value `key` names is among those that pass (`inside`), or among the others.

    A missing value is neither; `missing` says whether it is allowed. Where a predicate depends on `as_of`,
    `symbol` stands for it, and `span` says where it lies around `as_of`.
    """

    key: str
    inside: bool
    missing: bool
    predicate: Predicate | None = None
    symbol: str | None = None
    span: Span | None = None

    def negated(self) -> Fact:
        """Return the exact opposite."""
        return replace(self, inside=not self.inside, missing=not self.missing)


def contradictory(facts: Sequence[Fact]) -> bool:
    """Whether no value, and no missing one, can satisfy facts about one key."""
    if not facts or all(fact.missing for fact in facts):
        return False
    symbols = {(fact.symbol, fact.inside) for fact in facts if fact.symbol is not None}
    if any((symbol, not inside) in symbols for symbol, inside in symbols):
        return True
    if _apart([fact for fact in facts if fact.span is not None]):
        return True
    return exhausted(
        [(fact.predicate, fact.inside) for fact in facts if fact.predicate is not None]
    )


def _apart(facts: Sequence[Fact]) -> bool:
    spans = [fact.span if fact.inside else fact.span.outside() for fact in facts if fact.span]
    known = [span for span in spans if span is not None]
    return any(one.apart(other) for i, one in enumerate(known) for other in known[i:])


Tests = Sequence[tuple[Predicate, bool]]


def exhausted(tests: Tests) -> bool:
    """Whether no set value passes all tests; each is (predicate without negation, inside)."""
    given = set(tests)
    if any((predicate, not inside) in given for predicate, inside in given):
        return True
    if any(isinstance(predicate, IsSet) and not inside for predicate, inside in tests):
        return True
    return (
        _no_number(tests)
        or _no_mean(tests)
        or _no_truth(tests)
        or _no_text(tests)
        or _no_part(tests)
        or _no_element(tests)
    )


def _no_number(tests: Tests) -> bool:
    for family, whole in ((WholeRanges, True), (FloatRanges, False)):
        found = [
            (intervals(predicate.ranges), inside)
            for predicate, inside in tests
            if isinstance(predicate, family)
        ]
        if found and not _left(found, whole=whole):
            return True
    return False


def _left(found: Sequence[tuple[Intervals, bool]], *, whole: bool) -> Intervals:
    left: Intervals = intervals([(None, None)])
    for ranges, inside in found:
        left = common(left, ranges if inside else complement(ranges))
    return discrete(left) if whole else left


def _no_mean(tests: Tests) -> bool:
    found = [
        (_scaled(predicate), inside)
        for predicate, inside in tests
        if isinstance(predicate, ScaledRanges)
    ]
    return bool(found) and not _left(found, whole=False)


def _scaled(predicate: ScaledRanges) -> Intervals:
    """Return the ranges of a mean as intervals of fractions."""

    def end(bound: tuple[int, int, bool] | None, sign: int) -> tuple[Any, int] | None:
        if bound is None:
            return None
        whole, scale, included = bound
        return Fraction(whole, 10**scale), 0 if included else sign

    return [(end(low, 1), end(high, -1)) for low, high in predicate.ranges]


def _no_truth(tests: Tests) -> bool:
    left = {True, False}
    for predicate, inside in tests:
        if isinstance(predicate, Truth):
            left &= {predicate.expected if inside else not predicate.expected}
    return not left


def _no_part(tests: Tests) -> bool:
    parts: dict[tuple[str, str], list[tuple[Intervals, bool]]] = {}
    for predicate, inside in tests:
        if isinstance(predicate, CalendarPart):
            values = intervals([(value, value) for value in predicate.values])
            parts.setdefault((predicate.part, predicate.zone), []).append((values, inside))
    return any(
        not _left([*found, (intervals([_PARTS[part]]), True)], whole=True)
        for (part, _), found in parts.items()
    )


def _no_element(tests: Tests) -> bool:
    """Whether some element must pass what no element may."""
    wanted = [p.of for p, inside in tests if isinstance(p, SomeElement) and inside]
    barred = [p.of for p, inside in tests if isinstance(p, SomeElement) and not inside]
    return any(exhausted([(test, True), *((other, False) for other in barred)]) for test in wanted)


def _no_text(tests: Tests) -> bool:
    lists = [p for p, inside in tests if isinstance(p, TextIn) and inside]
    if any(not p.texts for p in lists):
        return True
    exact = [p for p in lists if not p.fold]
    if exact:
        shortest = min(exact, key=lambda p: len(p.texts)).texts
        return len(shortest) <= _MOST_TEXTS and not _passing(list(shortest), tests)
    if lists:
        # of a text known up to its case only tests that look past the case say anything
        folded = [(p, inside) for p, inside in tests if getattr(p, "fold", False)]
        shortest = min(lists, key=lambda p: len(p.texts)).texts
        return len(shortest) <= _MOST_TEXTS and not _passing(list(shortest), folded)
    return _no_ends(tests)


def _passing(texts: list[str], tests: Tests) -> list[str]:
    for predicate, inside in tests:
        if isinstance(predicate, TextIn):
            known = set(predicate.texts)
            texts = [t for t in texts if ((_folded(t, predicate) in known) == inside)]
        elif isinstance(predicate, TextLike) and texts:
            found = _like(texts, predicate)
            texts = [t for t, passed in zip(texts, found, strict=True) if passed == inside]
    return texts


def _folded(text: str, predicate: TextIn | TextLike) -> str:
    return text.casefold() if predicate.fold else text


def _like(texts: list[str], predicate: TextLike) -> list[bool]:
    folded = [_folded(text, predicate) for text in texts]
    match predicate.how:
        case "contains":
            return [predicate.text in text for text in folded]
        case "starts_with":
            return [text.startswith(predicate.text) for text in folded]
        case "ends_with":
            return [text.endswith(predicate.text) for text in folded]
        case _:
            passed = pc.match_substring_regex(pa.array(folded), pattern=predicate.text)
            return [bool(found) for found in passed.to_pylist()]


def _no_ends(tests: Tests) -> bool:
    """Whether a text would have to begin, or end, in two different ways."""
    wanted = [(p, p.text) for p, inside in tests if isinstance(p, TextLike) and inside]
    for fold in (True, False):
        begins = [t for p, t in wanted if p.how == "starts_with" and p.fold == fold]
        ends = [t for p, t in wanted if p.how == "ends_with" and p.fold == fold]
        if _differ(begins) or _differ([text[::-1] for text in ends]):
            return True
    return False


def _differ(beginnings: list[str]) -> bool:
    longest = max(beginnings, key=len, default="")
    return any(not longest.startswith(text) for text in beginnings)
