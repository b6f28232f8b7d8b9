"""Rules in their two spellings and as sentences, and whether they are well formed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

from muster_console.operation.definition import (
    Definitions,
    catalog_for,
    known_definitions,
    known_with,
    measure_problems,
    read_definitions,
    refuse,
)
from muster_console.operation.warning import rule_warnings
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import check_folder
from muster_core.rules.document import Rule, SegmentDocument
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.expression.render import render_expression
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.sentence import sentence
from muster_core.storage.database import transaction


class Spelling(StrEnum):
    """What rules are converted to."""

    EXPRESSION = "expression"
    DOCUMENT = "document"
    SENTENCE = "sentence"


def read_rule_files(paths: Iterable[Path], limits: Limits = DEFAULT_LIMITS) -> Definitions:
    """Read the segments and measures of files and folders.

    Raises:
        InvalidInput: with every problem of form of every file.
    """
    found = _read(paths, limits)
    refuse(found.problems)
    return found


def _read(paths: Iterable[Path], limits: Limits) -> Definitions:
    found = Definitions()
    for path in paths:
        try:
            found.add(read_definitions(path, limits))
        except InvalidInput as exc:
            found.problems.extend(exc.problems)
    return found


def check_rule_files(
    workspace: Workspace, paths: Iterable[Path]
) -> tuple[Definitions, list[Problem]]:
    """Hold segments and measures against the catalog in use and what is saved; nothing is changed.

    Returns what was read, and warnings.

    Raises:
        InvalidInput: with every problem.
        Conflict: there is no catalog yet.
    """
    limits = workspace.settings.limits
    found = _read(paths, limits)
    problems = list(found.problems)
    with transaction(workspace.database) as connection:
        catalog = catalog_for(connection, found)
        known = known_with(known_definitions(connection), found)
        problems += measure_problems(connection, found, catalog, known, limits)
        wrong = check_folder(found.documents, catalog, limits=limits, known=known)
        for segment, own in zip(found.segments, wrong, strict=True):
            problems += [segment.written.place(problem) for problem in own]
        refuse(problems)
        warned = rule_warnings(workspace, connection, found, catalog, known)
    lists = (*warned.measures.values(), *warned.segments.values())
    return found, [warning for warnings in lists for warning in warnings]


def convert_segment(document: SegmentDocument, to: Spelling) -> dict[str, Any]:
    """Return a segment with its rules in another spelling; as a sentence, the whole of it is one."""
    if to is Spelling.SENTENCE:
        return {"name": document.name, "sentence": sentence(document)}
    data = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if to is Spelling.EXPRESSION:
        for written, rule in zip(data.get("rules", []), document.rules, strict=True):
            written["where"] = render_expression(rule.where)
        for written, column in zip(data.get("project", []), document.project, strict=True):
            if column.where is not None:
                written["where"] = render_expression(column.where)
    return data


def convert_expression(text: str, to: Spelling) -> Any:
    """Return one condition, given as an expression, in another spelling.

    Raises:
        InvalidInput: the text is no expression.
    """
    rule = Rule(where=parse_expression(text))
    if to is Spelling.SENTENCE:
        return sentence(rule.where)
    if to is Spelling.EXPRESSION:
        return render_expression(rule.where)
    return rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)["where"]
