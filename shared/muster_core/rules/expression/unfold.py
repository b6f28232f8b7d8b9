"""Expressions inside documents, replaced by what they spell; their places are kept aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.expression.parse import Written, read_expression
from muster_core.rules.limit import DEFAULT_LIMITS, Limits

#: Fields that hold a condition on one row wherever they stand.
_ROW_FIELDS = ("where", "having")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolded:
    """A document without expressions, and every expression it had, by the pointer where it stood.

    What is no expression is a problem, and stands in `data` as a condition that holds for nobody.
    """

    data: Any
    expressions: Mapping[str, Written] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    def place(self, problem: Problem) -> Problem:
        """Return `problem` with line, column and excerpt where it lies inside an expression."""
        known = problem.pointer
        while known and known not in self.expressions:
            known = known.rpartition("/")[0]
        if known not in self.expressions:
            return problem
        return replace(self.expressions[known].place(problem, known), file=problem.file)


def unfold(data: Any, *, limits: Limits = DEFAULT_LIMITS) -> Unfolded:
    """Return a segment or measure document without expressions.

    `data` has passed `hostile_problem`. An expression stands where a document has `where` (and `having`).
    Problems have pointer, line and column.
    """
    if not isinstance(data, dict):
        return Unfolded(data=data)
    expressions: dict[str, Written] = {}
    problems: list[Problem] = []

    def read(text: str, pointer: str, row: bool) -> Any:
        try:
            expressions[pointer] = read_expression(text, row=row, limits=limits)
        except InvalidInput as exc:
            problems.extend(replace(p, pointer=pointer + p.pointer) for p in exc.problems)
            return {"kind": "any", "of": []}
        return expressions[pointer].data

    found = dict(data)
    for name in ("rules", "project"):
        if isinstance(items := found.get(name), list | tuple):
            found[name] = [
                _unfolded(item, f"/{name}/{i}", name == "project", read)
                for i, item in enumerate(items)
            ]
    if "by" in found:
        found["by"] = _unfolded(found["by"], "/by", True, read)
    return Unfolded(data=found, expressions=expressions, problems=problems)


def _unfolded(node: Any, pointer: str, row: bool, read: Callable[[str, str, bool], Any]) -> Any:
    """Return `node` without expressions; its depth is bounded already."""
    if isinstance(node, list | tuple):
        if not any(isinstance(item, dict | list | tuple) for item in node):
            return node
        return [_unfolded(item, f"{pointer}/{i}", True, read) for i, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    return {
        key: read(inner, f"{pointer}/{key}", row)
        if key in _ROW_FIELDS and isinstance(inner, str)
        else _unfolded(inner, f"{pointer}/{key}", True, read)
        for key, inner in node.items()
    }
