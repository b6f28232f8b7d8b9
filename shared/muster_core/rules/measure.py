"""Measures: aggregates with a name, which rules compare, rank and hold against each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, ValidationError

from muster_core.errors import InvalidInput
from muster_core.rules.condition import Measurable
from muster_core.rules.document import SEGMENT_NAME
from muster_core.rules.expression.unfold import unfold
from muster_core.rules.limit import DEFAULT_LIMITS, Limits, hostile_problem
from muster_core.rules.shape import shape_problems
from muster_core.rules.value import Node


class MeasureDocument(Node):
    """A measure as people define it."""

    name: Annotated[str, Field(pattern=SEGMENT_NAME)]
    by: Measurable
    display_name: Annotated[str, Field(max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2_000)] = ""


def is_measure(data: object) -> bool:
    """Whether plain data is meant as a measure: it has the field `by`, which a segment never has."""
    return isinstance(data, dict) and "by" in data


def parse_measure(
    data: object, *, file: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> MeasureDocument:
    """Read one measure document from plain data; problems name `file`.

    Raises:
        InvalidInput: every problem of shape: unknown fields, wrong types, missing fields.
    """
    if problem := hostile_problem(data, limits):
        raise InvalidInput([replace(problem, file=file)])
    whole = unfold(data, limits=limits)
    problems = list(whole.problems)
    try:
        document = MeasureDocument.model_validate(whole.data)
    except ValidationError as exc:
        problems += [
            whole.place(problem) for problem in shape_problems(whole.data, exc, MeasureDocument)
        ]
    if problems:
        raise InvalidInput([replace(problem, file=file) for problem in problems])
    return document
