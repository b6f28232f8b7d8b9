"""Segment documents as text: one or many per file, every problem with its line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from muster_core.documents.text import Written, read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.draft import RawDraft, read_draft
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRules:
    """What could be read, and what is wrong with the rest."""

    segments: list[WrittenSegment] = field(default_factory=list)
    measures: list[WrittenMeasure] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    #: Names of documents that could not be read, where they are known.
    unread_segments: set[str] = field(default_factory=set)
    unread_measures: set[str] = field(default_factory=set)
    #: Documents that the reader was told to leave to others.
    others: list[Written] = field(default_factory=list)
    #: Drafts whose form is wrong, where the reader was told to keep them.
    drafts: list[RawDraft] = field(default_factory=list)


def read_segments(text: str, *, file: str, limits: Limits = DEFAULT_LIMITS) -> list[WrittenSegment]:
    """Read every segment document of a file; several are separated by ``---`` or stand in one list.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    found = _read(text, file, limits, measures=False)
    if found.problems:
        raise InvalidInput(found.problems)
    return found.segments


def read_rules(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> tuple[list[WrittenSegment], list[WrittenMeasure]]:
    """Read every segment and measure of a file; a document with the field `by` is a measure.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    found = read_what_can_be_read(text, file=file, limits=limits)
    if found.problems:
        raise InvalidInput(found.problems)
    return found.segments, found.measures


def read_what_can_be_read(
    text: str,
    *,
    file: str,
    limits: Limits = DEFAULT_LIMITS,
    is_other: Callable[[object], bool] | None = None,
    drafts: bool = False,
) -> ReadRules:
    """Read a file as `read_rules` does; what is wrong with one document hides no other document.

    Documents whose data `is_other` are returned as they were written, and with `drafts` those that say they
    are drafts and have a wrong form, with their problems.
    """
    try:
        return _read(text, file, limits, measures=True, is_other=is_other, drafts=drafts)
    except InvalidInput as exc:
        return ReadRules(problems=list(exc.problems))


def _read(
    text: str,
    file: str,
    limits: Limits,
    *,
    measures: bool,
    is_other: Callable[[object], bool] | None = None,
    drafts: bool = False,
) -> ReadRules:
    found = ReadRules()
    documents = read_text(text, file=file, nesting=limits.nesting, nodes=limits.nodes)
    for plain in documents:
        if is_other is not None and is_other(plain.data):
            found.others.append(plain)
            continue
        is_one = measures and is_measure(plain.data)
        problems = _read_one(plain, found, is_one, limits)
        if not problems:
            continue
        draft = read_draft(plain, problems) if drafts and not is_one else None
        if draft is not None and hostile_problem(plain.data, limits) is None:
            found.drafts.append(draft)
            continue
        found.problems.extend(problems)
        name = plain.data.get("name") if isinstance(plain.data, dict) else None
        if isinstance(name, str):
            (found.unread_measures if is_one else found.unread_segments).add(name)
    if not documents:
        found.problems.append(Problem(message="the file holds no segment", file=file))
    return found


def _read_one(plain: Written, found: ReadRules, is_one: bool, limits: Limits) -> list[Problem]:
    """Add a document to what was found, or return what is wrong with it."""
    if problem := hostile_problem(plain.data, limits):
        return [plain.place(problem)]
    whole = unfold(plain.data, limits=limits)
    # from here on the places inside expressions are known
    written = replace(plain, refine=whole.place)
    problems = [plain.place(problem) for problem in whole.problems]
    try:
        if is_one:
            measure = parse_measure(whole.data, limits=limits)
            if not problems:
                found.measures.append(WrittenMeasure(document=measure, written=written))
        else:
            document = parse_segment(whole.data, limits=limits)
            if not problems:
                found.segments.append(WrittenSegment(document=document, written=written))
    except InvalidInput as exc:
        problems += [written.place(problem) for problem in exc.problems]
    return problems


def read_documents(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> list[SegmentDocument]:
    """Read every segment document of a file, without where it was written.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    return [segment.document for segment in read_segments(text, file=file, limits=limits)]
