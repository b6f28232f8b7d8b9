"""Conditions as formulas over facts, to find what can never hold; its opposite finds what always does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from muster_core.rules.fact import Fact, contradictory

#: What is true of a value whatever a condition says of it, by key.
Bases = Mapping[str, Sequence[Fact]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Everybody, or nobody."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal_:
    """One fact; `negative` where it says what somebody is not."""

    fact: Fact
    negative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """All, or at least one, of several; never of none."""

    join: Literal["and", "or"]
    of: tuple[Formula, ...]


Formula = Constant | Literal_ | Junction


def opposite(formula: Formula) -> Formula:
    """Return the exact complement."""
    match formula:
        case Constant():
            return Constant(value=not formula.value)
        case Literal_():
            return Literal_(fact=formula.fact.negated(), negative=not formula.negative)
        case Junction():
            join: Literal["and", "or"] = "or" if formula.join == "and" else "and"
            return Junction(join=join, of=tuple(opposite(part) for part in formula.of))


def joined_formula(join: Literal["and", "or"], parts: Sequence[Formula]) -> Formula:
    """Return the junction of parts; of none it is nobody."""
    if not parts:
        return Constant(value=False)
    return parts[0] if len(parts) == 1 else Junction(join=join, of=tuple(parts))


def impossible(formula: Formula, bases: Bases, around: Bases | None = None) -> bool:
    """Whether nothing can satisfy the formula together with the facts `around`, by key."""
    if isinstance(formula, Junction) and formula.join == "or":
        return all(impossible(part, bases, around) for part in formula.of)
    around = around or {}
    facts: dict[str, list[Fact]] = {}
    branches: list[Formula] = []
    for part in _flat(formula):
        if isinstance(part, Literal_):
            facts.setdefault(part.fact.key, []).append(part.fact)
        elif isinstance(part, Junction):
            branches.append(part)
        elif not part.value:
            return True
    together = dict(around)
    for key, own in facts.items():
        together[key] = known = [*around.get(key, ()), *own]
        if contradictory([*known, *bases.get(key, ())]):
            return True
    return any(impossible(branch, bases, together) for branch in branches)


def clashing(formulas: Sequence[Formula], bases: Bases) -> tuple[int, int] | None:
    """Return the places of the first two that cannot hold together."""
    for i, one in enumerate(formulas):
        for j in range(i + 1, len(formulas)):
            if impossible(Junction(join="and", of=(one, formulas[j])), bases):
                return i, j
    return None


def negative(formula: Formula) -> bool:
    """Whether the formula only says who does not belong."""
    match formula:
        case Constant():
            return False
        case Literal_():
            return formula.negative
        case Junction():
            return all(negative(part) for part in formula.of)


def keys_of(formula: Formula) -> set[str]:
    """Return the keys of all facts."""
    found: set[str] = set()
    waiting = [formula]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Literal_):
            found.add(part.fact.key)
        elif isinstance(part, Junction):
            waiting += part.of
    return found


def _flat(formula: Formula) -> list[Formula]:
    if not isinstance(formula, Junction) or formula.join == "or":
        return [formula]
    return [inner for part in formula.of for inner in _flat(part)]
