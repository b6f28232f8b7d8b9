"""Rules in their two spellings and as sentences, and whether they are well formed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from muster_console.operation.definition import (
    Definitions,
    TextFile,
    catalog_for,
    known_definitions,
    known_with,
    measure_problems,
    read_definitions,
    read_texts,
    refuse,
    sent_files,
)
from muster_console.operation.hidden import uncovered
from muster_console.operation.remote import over
from muster_console.operation.warning import rule_warnings
from muster_console.operation.workspace import RemoteWorkspace, Workspace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRules:
    """Segments and measures that fit the catalog in use, by name, and what deserves a look."""

    segments: list[str]
    measures: list[str]
    warnings: list[Problem]


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


def check_rule_files(workspace: Workspace, paths: Sequence[Path]) -> CheckedRules:
    """Hold segments and measures against the catalog in use and what is saved; nothing is changed.

    Raises:
        InvalidInput: with every problem.
        Conflict: there is no catalog yet.
    """
    if isinstance(workspace, RemoteWorkspace):
        return check_sent_files(workspace, [file for path in paths for file in sent_files(path)])
    return _checked(workspace, _read(paths, workspace.settings.limits))


@over("POST", "/rules/check")
def check_sent_files(workspace: Workspace, files: Sequence[TextFile]) -> CheckedRules:
    """Do with files that were sent what `check_rule_files` does, which says what is raised."""
    return _checked(workspace, read_texts(files, workspace.settings.limits))


def _checked(workspace: Workspace, found: Definitions) -> CheckedRules:
    limits = workspace.settings.limits
    problems = list(found.problems)
    with transaction(workspace.database) as connection:
        found = uncovered(workspace, connection, found)
        catalog = catalog_for(connection, found)
        known = known_with(known_definitions(connection), found)
        problems += measure_problems(connection, found, catalog, known, limits)
        wrong = check_folder(found.documents, catalog, limits=limits, known=known)
        for segment, own in zip(found.segments, wrong, strict=True):
            problems += [segment.written.place(problem) for problem in own]
        refuse(problems)
        warned = rule_warnings(workspace, connection, found, catalog, known)
    lists = (*warned.measures.values(), *warned.segments.values())
    return CheckedRules(
        segments=[document.name for document in found.documents],
        measures=list(found.named_measures),
        warnings=[warning for warnings in lists for warning in warnings],
    )


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
