"""Rules in their two spellings and as sentences, and whether they are well formed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from muster_console.operation.file import document_files, read_file
from muster_console.operation.segment import known_segments
from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import check_folder, check_measures
from muster_core.rules.document import Rule, SegmentDocument
from muster_core.rules.expression.parse import parse_expression
from muster_core.rules.expression.render import render_expression
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.sentence import sentence
from muster_core.rules.text import WrittenMeasure, WrittenSegment, read_rules
from muster_core.storage.database import transaction


class Spelling(StrEnum):
    """What rules are converted to."""

    EXPRESSION = "expression"
    DOCUMENT = "document"
    SENTENCE = "sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """One rule as an expression and as a sentence."""

    number: int
    expression: str
    sentence: str


def read_rule_files(
    paths: Iterable[Path], limits: Limits = DEFAULT_LIMITS
) -> tuple[list[WrittenSegment], list[WrittenMeasure]]:
    """Read the segments and measures of files and folders.

    Raises:
        InvalidInput: with every problem of form of every file.
    """
    segments: list[WrittenSegment] = []
    measures: list[WrittenMeasure] = []
    problems: list[Problem] = []
    for file in (file for path in paths for file in document_files(path)):
        try:
            found, defined = read_rules(read_file(file), file=str(file), limits=limits)
            segments += found
            measures += defined
        except InvalidInput as exc:
            problems += exc.problems
    if problems:
        raise InvalidInput(problems)
    return segments, measures


def check_rule_files(
    workspace: Workspace, segments: Sequence[WrittenSegment], measures: Sequence[WrittenMeasure]
) -> None:
    """Hold segments and measures against the catalog in use and what is saved; nothing is changed.

    Raises:
        InvalidInput: with every problem.
        Conflict: there is no catalog yet.
    """
    limits = workspace.settings.limits
    with transaction(workspace.database) as connection:
        catalog = required_catalog(connection)
        known = known_segments(connection)
    problems = check_measures([m.document for m in measures], catalog, limits=limits)
    own = {measure.document.name: measure.document for measure in measures}
    known = type(known)(segments=known.segments, measures={**known.measures, **own})
    found = check_folder([s.document for s in segments], catalog, limits=limits, known=known)
    for segment, wrong in zip(segments, found, strict=True):
        problems += [segment.written.place(problem) for problem in wrong]
    if problems:
        raise InvalidInput(problems)


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


def rule_texts(document: SegmentDocument) -> list[RuleText]:
    """Return every rule of a segment as people read it."""
    return [
        RuleText(
            number=number,
            expression=render_expression(rule.where),
            sentence=sentence(rule.where),
        )
        for number, rule in enumerate(document.rules, 1)
    ]
