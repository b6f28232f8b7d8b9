"""Reading expressions: text to condition, every problem with line, column and a caret under the place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedInput
from pydantic import TypeAdapter, ValidationError

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.condition import Condition, RowCondition
from muster_core.rules.expression.build import Builder
from muster_core.rules.expression.fault import fault_of, offset_of
from muster_core.rules.expression.piece import Misplaced
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.shape import shape_problems

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_ROW_CONDITION: TypeAdapter[RowCondition] = TypeAdapter(RowCondition)
#: What joins conditions or values, outside of quotes.
_JOINT = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|(\(|,|\b(?:and|or|not|then)\b)""", re.IGNORECASE)
#: Joints a condition may have: its connective, a few pairs of parentheses, a few nots.
_JOINTS = 10
_LISTS = 2
#: Characters shown on either side of the caret.
_AROUND = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The document an expression spells, and where in the text each of its parts stands."""

    text: str
    data: dict[str, Any]
    #: Offsets of pointers into `data`.
    offsets: Mapping[str, int]

    def place(self, problem: Problem, prefix: str = "") -> Problem:
        """Return `problem`, whose pointer begins with `prefix`, with line, column and excerpt."""
        pointer = problem.pointer.removeprefix(prefix)
        while pointer and pointer not in self.offsets:
            pointer = pointer.rpartition("/")[0]
        at = self.offsets.get(pointer, 0)
        return _placed(problem.message, self.text, at, problem.pointer, problem.hint)


@cache
def grammar() -> Lark:
    """Return the parser; made once, on first use."""
    # on a cluster this package is imported from an archive, where no path leads to a file
    text = (
        files("muster_core.rules.expression")
        .joinpath("expression.lark")
        .read_text(encoding="utf-8")
    )
    return Lark(
        text,
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=False,
    )


def read_expression(text: str, *, row: bool = False, limits: Limits = DEFAULT_LIMITS) -> Written:
    """Read an expression as the plain document it spells; `row` says that it is about one row.

    Raises:
        InvalidInput: it is none, with line, column and what was expected.
    """
    _check_size(text, limits)
    try:
        tree = grammar().parse(text)
    except UnexpectedInput as exc:
        offset = offset_of(text, exc)
        message, hint = fault_of(text, offset, exc, grammar())
        raise InvalidInput([_placed(message, text, offset, "", hint)]) from None
    builder = Builder(limits=limits)
    try:
        data = builder.condition(tree.children[0], "", 1, row=row)
    except Misplaced as exc:
        problem = _placed(str(exc), text, exc.offset, exc.pointer, exc.hint)
        raise InvalidInput([problem]) from None
    return Written(text=text, data=data, offsets=builder.places)


def _check_size(text: str, limits: Limits) -> None:
    """Refuse what is too large before it costs time to read.

    Raises:
        InvalidInput: there are too many characters, values or conditions.
    """
    if len(text) > limits.nodes:
        message = f"an expression has at most {limits.nodes} characters"
        raise InvalidInput([_placed(message, text, limits.nodes, "", None)])
    joints = values = 0
    for found in _JOINT.finditer(text):
        mark = found[1]
        if mark is None:
            continue
        values += mark == ","
        joints += mark != ","
        if joints > _JOINTS * limits.conditions:
            message = f"a segment has at most {limits.conditions} conditions"
        elif values > _LISTS * limits.values:
            message = f"a list has at most {limits.values} values"
        else:
            continue
        raise InvalidInput([_placed(message, text, found.start(), "", None)])


def parse_expression(text: str, *, limits: Limits = DEFAULT_LIMITS) -> Condition:
    """Read an expression as a condition on customers.

    Raises:
        InvalidInput: it is none, with line, column and what was expected.
    """
    found: Condition = _validated(_CONDITION, read_expression(text, limits=limits))
    return found


def parse_row_expression(text: str, *, limits: Limits = DEFAULT_LIMITS) -> RowCondition:
    """Read an expression as a condition on one row.

    Raises:
        InvalidInput: it is none, with line, column and what was expected.
    """
    found: RowCondition = _validated(_ROW_CONDITION, read_expression(text, row=True, limits=limits))
    return found


def _validated(adapter: TypeAdapter[Any], written: Written) -> Any:
    try:
        return adapter.validate_python(written.data)
    except ValidationError as exc:
        problems = shape_problems(written.data, exc, adapter)
        raise InvalidInput([written.place(problem) for problem in problems]) from None


def _placed(message: str, text: str, offset: int, pointer: str, hint: str | None) -> Problem:
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[begin : len(text) if end < 0 else end]
    column = offset - begin
    first = max(0, column - _AROUND)
    shown = "".join(c if c.isprintable() else " " for c in line[first : column + _AROUND])
    lead = "... " if first else ""
    return Problem(
        message=message,
        pointer=pointer,
        line=text.count("\n", 0, offset) + 1,
        column=column + 1,
        hint=hint,
        excerpt=f"  {lead}{shown}\n  {' ' * (len(lead) + column - first)}^",
    )
