"""Segment documents as text: one or many per file, every problem with its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from muster_core.documents.text import Written, read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.expression.unfold import unfold
from muster_core.rules.limit import DEFAULT_LIMITS, Limits, hostile_problem
from muster_core.rules.measure import MeasureDocument, is_measure, parse_measure


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSegment:
    """A segment document and where it was written."""

    document: SegmentDocument
    written: Written


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenMeasure:
    """A measure document and where it was written."""

    document: MeasureDocument
    written: Written


def read_segments(text: str, *, file: str, limits: Limits = DEFAULT_LIMITS) -> list[WrittenSegment]:
    """Read every segment document of a file; several are separated by ``---`` or stand in one list.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    segments, measures = _read(text, file, limits, measures=False)
    assert not measures
    return segments


def read_rules(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> tuple[list[WrittenSegment], list[WrittenMeasure]]:
    """Read every segment and measure of a file; a document with the field `by` is a measure.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    return _read(text, file, limits, measures=True)


def _read(
    text: str, file: str, limits: Limits, *, measures: bool
) -> tuple[list[WrittenSegment], list[WrittenMeasure]]:
    segments: list[WrittenSegment] = []
    defined: list[WrittenMeasure] = []
    problems: list[Problem] = []
    found = read_text(text, file=file, nesting=limits.nesting, nodes=limits.nodes)
    for plain in found:
        written = plain
        try:
            data, written = _unfolded(plain, limits)
            if measures and is_measure(data):
                measure = parse_measure(data, limits=limits)
                defined.append(WrittenMeasure(document=measure, written=written))
            else:
                document = parse_segment(data, limits=limits)
                segments.append(WrittenSegment(document=document, written=written))
        except InvalidInput as exc:
            problems += [written.place(problem) for problem in exc.problems]
    if not found:
        problems.append(Problem(message="the file holds no segment", file=file))
    if problems:
        raise InvalidInput(problems)
    return segments, defined


def _unfolded(written: Written, limits: Limits) -> tuple[Any, Written]:
    """Return the data without expressions, and with `written` knowing the places inside them.

    Raises:
        InvalidInput: the data is hostile, or an expression is none.
    """
    if problem := hostile_problem(written.data, limits):
        raise InvalidInput([problem])
    whole = unfold(written.data, limits=limits)
    return whole.data, replace(written, refine=whole.place)


def read_documents(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> list[SegmentDocument]:
    """Read every segment document of a file, without where it was written.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    return [segment.document for segment in read_segments(text, file=file, limits=limits)]
