"""Segment documents as text: one or many per file, every problem with its line."""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.documents.text import Written, read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.limit import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSegment:
    """A segment document and where it was written."""

    document: SegmentDocument
    written: Written


def read_segments(text: str, *, file: str, limits: Limits = DEFAULT_LIMITS) -> list[WrittenSegment]:
    """Read every segment document of a file; several are separated by ``---`` or stand in one list.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    segments: list[WrittenSegment] = []
    problems: list[Problem] = []
    found = read_text(text, file=file, nesting=limits.nesting, nodes=limits.nodes)
    for written in found:
        try:
            document = parse_segment(written.data, limits=limits)
            segments.append(WrittenSegment(document=document, written=written))
        except InvalidInput as exc:
            problems += [written.place(problem) for problem in exc.problems]
    if not found:
        problems.append(Problem(message="the file holds no segment", file=file))
    if problems:
        raise InvalidInput(problems)
    return segments


def read_documents(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> list[SegmentDocument]:
    """Read every segment document of a file, without where it was written.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    return [segment.document for segment in read_segments(text, file=file, limits=limits)]
