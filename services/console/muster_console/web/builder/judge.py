"""What is wrong with a definition as it is being built, each problem at the node it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from muster_console.web.builder.blank import UNCHOSEN
from muster_console.web.builder.node import node_at
from muster_console.web.builder.spelling import document_of, measure_of
from muster_console.web.builder.tree import Plain, at, found, split
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import Known, check_measures, check_segment
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.scope import Scopes

#: What is to be chosen where a field is still empty.
_MISSING = {
    "column": "choose a column",
    "table": "choose a table",
    "order_by": "choose a column",
    "on": "choose a column",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Problems of a definition, in its order, and by the pointer of their node."""

    problems: list[Problem] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def by_node(self, document: Plain) -> dict[str, list[Problem]]:
        """Return the problems by node; the empty pointer is the segment itself."""
        placed: dict[str, list[Problem]] = {}
        for problem in self.problems:
            placed.setdefault(node_at(document, problem.pointer), []).append(problem)
        return placed


def judge(
    plain: Plain,
    scopes: Scopes,
    known: Known,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Judgement:
    """Return everything wrong with a segment against the catalog and what else is saved."""
    try:
        document = document_of(plain, limits)
    except InvalidInput as exc:
        return Judgement(problems=exc.problems)
    # the segment may refer to others, and they to it
    name = document.name
    segments = known.segments
    if segments is not None and name not in segments:
        segments = {**segments, name: ()}
    around = replace(known, segments=segments)
    problems = check_segment(document, scopes, limits=limits, known=around)
    return Judgement(problems=[_said(plain, problem) for problem in problems])


def judge_measure(
    plain: Plain,
    scopes: Scopes,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Judgement:
    """Return everything wrong with a measure against the catalog."""
    try:
        document = measure_of(plain, limits)
    except InvalidInput as exc:
        return Judgement(problems=exc.problems)
    problems = check_measures([document], scopes.catalog, limits=limits)
    name = f"measure {document.name}: "
    return Judgement(
        problems=[
            _said(plain, replace(problem, message=problem.message.removeprefix(name)))
            for problem in problems
        ]
    )


def _said(plain: Plain, problem: Problem) -> Problem:
    """Return a problem of something not chosen yet in the words of what is to be done."""
    if not found(plain, problem.pointer) or at(plain, problem.pointer) != UNCHOSEN:
        return problem
    outer, name = split(problem.pointer)
    around: Mapping[str, object] = at(plain, outer) if isinstance(at(plain, outer), dict) else {}
    if name in _MISSING:
        return replace(problem, message=_MISSING[name], hint=None)
    if name == "name" and around.get("kind") in ("segment", "measure"):
        return replace(problem, message=f"choose a {around['kind']}", hint=None)
    if name == "value":
        return replace(problem, message="give a value", hint=None)
    return problem
