"""Segments and measures as a file or folder defines them, checked as one against what is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from muster_console.operation.file import document_files, read_file, repeated
from muster_core.catalog.document import Catalog
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.check import Known, check_folder, check_measures
from muster_core.rules.document import SegmentDocument
from muster_core.rules.limit import Limits
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import measures_of, references_of
from muster_core.rules.text import WrittenMeasure, WrittenSegment, read_rules
from muster_core.storage.measure import list_measures
from muster_core.storage.segment import list_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What a file or folder defines."""

    segments: list[WrittenSegment]
    measures: list[WrittenMeasure]

    @property
    def documents(self) -> list[SegmentDocument]:
        """Return the segments' documents."""
        return [segment.document for segment in self.segments]

    @property
    def named_measures(self) -> dict[str, MeasureDocument]:
        """Return the measures by name."""
        return {measure.document.name: measure.document for measure in self.measures}


def read_definitions(path: Path, limits: Limits) -> Definitions:
    """Read the segments and measures of a file or folder.

    Raises:
        InvalidInput: with every problem of form of every file, and names that stand twice.
    """
    found = Definitions(segments=[], measures=[])
    problems: list[Problem] = []
    for file in document_files(path):
        try:
            segments, measures = read_rules(read_file(file), file=str(file), limits=limits)
        except InvalidInput as exc:
            problems += exc.problems
        else:
            found.segments.extend(segments)
            found.measures.extend(measures)
    problems += repeated(path, [segment.document.name for segment in found.segments])
    problems += repeated(path, [measure.document.name for measure in found.measures])
    if problems:
        raise InvalidInput(problems)
    return found


def known_definitions(connection: Connection) -> Known:
    """Return what documents may refer to: the saved segments, with those they refer to, and measures."""
    records = list_segments(connection)
    return Known(
        segments={r.name: references_of(r.document) if r.document else () for r in records},
        measures={r.name: r.document for r in list_measures(connection) if r.document is not None},
    )


def known_with(known: Known, measures: Mapping[str, MeasureDocument]) -> Known:
    """Return what is known once `measures` are saved, too."""
    return replace(known, measures={**known.measures, **measures})


def measure_problems(
    connection: Connection, found: Definitions, catalog: Catalog, known: Known, limits: Limits
) -> list[Problem]:
    """Return what is wrong with the measures, and with saved segments in use that they would break."""
    problems = [
        measure.written.place(problem)
        for measure in found.measures
        for problem in check_measures([measure.document], catalog, limits=limits)
    ]
    if problems or not found.measures:
        return problems
    names, replaced = set(found.named_measures), {d.name for d in found.documents}
    saved = [
        record.document
        for record in list_segments(connection)
        if record.state == "active"
        and record.name not in replaced
        and record.document is not None
        and names & measures_of(record.document)
    ]
    return broken(saved, catalog, known, limits)


def broken(
    saved: Sequence[SegmentDocument], catalog: Catalog, known: Known, limits: Limits
) -> list[Problem]:
    """Return what would be wrong with saved segments; pointers begin with the segment's name."""
    wrong = check_folder(saved, catalog, limits=limits, known=known)
    return [
        replace(problem, pointer=f"segment {document.name} {problem.pointer}".rstrip())
        for document, problems in zip(saved, wrong, strict=True)
        for problem in problems
    ]
