"""Warnings about rules that are valid and probably not meant: they never block.

What is called impossible matches nobody, and what is called never false matches everybody, whatever the data
and the evaluation time; only warnings that name the statistics speak of the data as it was then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from muster_core.catalog.document import Catalog
from muster_core.catalog.statistic import Statistics
from muster_core.errors import Problem
from muster_core.rules.document import SegmentDocument
from muster_core.rules.evidence import Evidence
from muster_core.rules.formula import (
    Formula,
    Junction,
    clashing,
    impossible,
    negative,
    opposite,
)
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.literal import Frame
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.resolve import Resolver
from muster_core.rules.scope import Scopes
from muster_core.rules.sketch import Part, RowPart, Sketcher
from muster_core.schedules.zone import read_zone

#: In longer lists the two operands that contradict each other are not searched for.
_MOST_PAIRED = 60


def warnings_of(
    document: SegmentDocument,
    catalog: Catalog | Scopes,
    *,
    as_of: datetime,
    measures: Mapping[str, MeasureDocument] | None = None,
    statistics: Statistics | None = None,
    counted_at: datetime | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Problem]:
    """Return what is probably not meant in the rules of a document that fits the catalog.

    `statistics` were counted at `counted_at`; `as_of` is now. Rules with problems are passed over.
    """
    scopes = catalog if isinstance(catalog, Scopes) else Scopes(catalog)
    try:
        zone = read_zone(document.timezone or scopes.catalog.timezone)
    except ValueError:
        return []
    frame = Frame(as_of=as_of, zone=zone, limits=limits)
    resolver = Resolver(scopes=scopes, frame=frame, measures=measures or {})
    sketcher = Sketcher(frame=frame, profile=scopes.profile.stored)
    parts: list[tuple[int, Part]] = []
    for index, rule in enumerate(document.rules):
        before = len(resolver.problems)
        resolved = resolver.condition(rule.where, f"/rules/{index}/where")
        if resolved is not None and len(resolver.problems) == before:
            part = sketcher.condition(rule.where, resolved, f"/rules/{index}/where")
            parts.append((index, part))
    evidence = None
    if statistics is not None:
        evidence = Evidence(statistics=statistics, counted_at=counted_at, sketcher=sketcher)
    found = _Warnings(sketcher=sketcher, evidence=evidence)
    for _, part in parts:
        if not part.everyone:
            found.look(part)
    if len(parts) == len(document.rules):
        found.combined(document, [part for _, part in parts])
    return [Problem(message=p.message, pointer=p.pointer, hint=p.hint) for p in found.problems]


def measure_warnings(
    document: MeasureDocument,
    catalog: Catalog | Scopes,
    *,
    as_of: datetime,
    statistics: Statistics | None = None,
    counted_at: datetime | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Problem]:
    """Return what is probably not meant in a measure that fits the catalog; see `warnings_of`."""
    scopes = catalog if isinstance(catalog, Scopes) else Scopes(catalog)
    frame = Frame(as_of=as_of, zone=read_zone(scopes.catalog.timezone), limits=limits)
    fold = Resolver(scopes=scopes, frame=frame).measure(document.by, "/by")
    if fold is None:
        return []
    sketcher = Sketcher(frame=frame, profile=scopes.profile.stored)
    evidence = None
    if statistics is not None:
        evidence = Evidence(statistics=statistics, counted_at=counted_at, sketcher=sketcher)
    found = _Warnings(sketcher=sketcher, evidence=evidence)
    found.rows(sketcher.measured(document.by, fold, "/by"))
    return found.problems


@dataclass(slots=True, kw_only=True)
class _Warnings:
    sketcher: Sketcher
    evidence: Evidence | None
    problems: list[Problem] = field(default_factory=list)

    def look(self, part: Part, whom: str = "customer") -> None:
        """Note what is wrong with one condition: the smallest part that explains it."""
        if self._rows(part):
            return
        if self._never(part.formula):
            self._explain(part, whom, always=False)
        elif self._never(opposite(part.formula)):
            self._explain(part, whom, always=True)
        else:
            for inner in part.parts:
                if not (inner.everyone and part.join == "all"):
                    self.look(inner, whom)
            if self.evidence is not None and part.join == "leaf" and not part.rows:
                self.problems += self.evidence.leaf(part, whom)

    def _never(self, formula: Formula) -> bool:
        return impossible(formula, self.sketcher.bases)

    def _explain(self, part: Part, whom: str, *, always: bool) -> None:
        """Note that a condition never holds, or (`always`) is never false, at the part that makes it so."""
        if part.join == "not":
            if part.parts[0].everyone:
                self._note("not everyone is nobody", part.pointer)
            else:
                self._explain(part.parts[0], whom, always=not always)
            return
        if part.join == "leaf":
            word = f"every {whom} passes this" if always else f"no {whom} can ever pass this"
            self._note(word, part.pointer)
            return
        alone = [p for p in part.parts if self._never(opposite(p.formula) if always else p.formula)]
        if any(inner.everyone for inner in alone):
            self._note(f"every {whom} passes this, since it names everyone", part.pointer)
        elif alone:
            for inner in alone:
                if not self._rows(inner):
                    self._explain(inner, whom, always=always)
        elif not part.parts:
            self._note("an empty list matches nobody", part.pointer)
        else:
            self._note(self._together(part, whom, always), part.pointer)

    def _together(self, part: Part, whom: str, always: bool) -> str:
        formulas = [opposite(p.formula) if always else p.formula for p in part.parts]
        pair = clashing(formulas, self.sketcher.bases) if len(formulas) <= _MOST_PAIRED else None
        which = "these conditions"
        if pair is not None:
            which = f"the conditions {pair[0] + 1} and {pair[1] + 1}"
        if always:
            return f"{which} together are never false: every {whom} passes one of them"
        return f"{which} contradict each other: no {whom} can ever pass both"

    def _rows(self, part: Part) -> bool:
        """Note what is wrong with the rows a condition looks at; whether they explain everything."""
        explained = [self.rows(rows) for rows in part.rows]
        return any(explained)

    def rows(self, rows: RowPart) -> bool:
        """Note what is wrong with rows that are looked at; whether there can never be one."""
        before = len(self.problems)
        whom = f"row of {rows.table[:100]}"
        if rows.part is not None:
            self.look(rows.part, whom)
        if not self._never(rows.formula):
            if self.evidence is not None and len(self.problems) == before:
                self.problems += self.evidence.window(rows)
            return False
        if len(self.problems) == before:
            pointer = rows.pointer
            if rows.window is None and rows.part is not None:
                pointer = rows.part.pointer
            self._note(self._unseen(rows, whom), pointer)
        return True

    def _unseen(self, rows: RowPart, whom: str) -> str:
        if rows.window is None:
            return f"no visible {whom} can ever pass this"
        if rows.window is not None and self._never(rows.window):
            return (
                f"no {whom} can ever lie in this window: those later than the evaluation time are "
                "invisible without include_future"
            )
        return f"no {whom} can ever pass the condition and lie in the window"

    def combined(self, document: SegmentDocument, parts: list[Part]) -> None:
        """Note what is wrong with how the rules follow one another."""
        formulas = [part.formula for part in parts]
        narrowed = any(
            rule.combine == "intersect" and not negative(formula)
            for rule, formula in zip(document.rules, formulas, strict=True)
        )
        for index, (rule, formula) in enumerate(zip(document.rules, formulas, strict=True)):
            if negative(formula) and rule.combine in (None, "union") and not narrowed:
                self.problems.append(
                    Problem(
                        message="this rule only says who does not belong: everybody else does",
                        pointer=f"/rules/{index}",
                        hint="say with another condition who belongs, if this is not meant",
                    )
                )
        for index, before, formula in _running(document, formulas):
            if self._never(before) or self._never(formula):
                continue
            if self._never(Junction(join="and", of=(before, formula))):
                message = "no customer can be left after this rule and those before it"
                self._note(message, f"/rules/{index}")
                return

    def _note(self, message: str, pointer: str) -> None:
        self.problems.append(Problem(message=message, pointer=pointer))


def _running(
    document: SegmentDocument, formulas: list[Formula]
) -> Iterator[tuple[int, Formula, Formula]]:
    """Yield the places of rules that narrow, the result before each, and what it leaves."""
    running: Formula | None = None
    for index, (rule, formula) in enumerate(zip(document.rules, formulas, strict=True)):
        if running is None:
            running = formula
        elif rule.combine == "union":
            running = Junction(join="or", of=(running, formula))
        else:
            left = opposite(formula) if rule.combine == "except" else formula
            yield index, running, left
            running = Junction(join="and", of=(running, left))
