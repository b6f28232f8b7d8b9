"""Segments and measures as a file or folder defines them, checked as one against what is saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from muster_console.operation.file import document_files, read_file, repeated
from muster_console.operation.workspace import required_catalog
from muster_core.catalog.document import Catalog
from muster_core.documents.text import Written
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.rules.check import Known, check_folder, check_measures
from muster_core.rules.document import SegmentDocument
from muster_core.rules.draft import RawDraft
from muster_core.rules.limit import Limits
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import measures_of, references_of
from muster_core.rules.text import WrittenMeasure, WrittenSegment, read_what_can_be_read
from muster_core.storage.measure import list_measures
from muster_core.storage.segment import list_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What files or folders define, as far as it could be read, and what is wrong with the rest."""

    segments: list[WrittenSegment] = field(default_factory=list)
    measures: list[WrittenMeasure] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    #: Names of documents that could not be read.
    unread_segments: set[str] = field(default_factory=set)
    unread_measures: set[str] = field(default_factory=set)
    #: Documents of exports, as they were written; only who asks for them gets any.
    exports: list[Written] = field(default_factory=list)
    #: Drafts whose form is wrong; only who asks for them gets any, for all others these are problems.
    drafts: list[RawDraft] = field(default_factory=list)

    def add(self, other: Definitions) -> None:
        """Take over what another file or folder defines."""
        self.segments.extend(other.segments)
        self.measures.extend(other.measures)
        self.problems.extend(other.problems)
        self.unread_segments.update(other.unread_segments)
        self.unread_measures.update(other.unread_measures)
        self.exports.extend(other.exports)
        self.drafts.extend(other.drafts)

    @property
    def documents(self) -> list[SegmentDocument]:
        """Return the segments' documents."""
        return [segment.document for segment in self.segments]

    @property
    def segment_names(self) -> list[str]:
        """Return the names of the segments, of drafts whose form is wrong as well."""
        return [document.name for document in self.documents] + [d.name for d in self.drafts]

    @property
    def named_measures(self) -> dict[str, MeasureDocument]:
        """Return the measures by name."""
        return {measure.document.name: measure.document for measure in self.measures}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file that is somewhere else: what it is called there, and what it says."""

    name: str
    text: str
    #: The absolute path, there, of the folder it is in: what relative paths in an export start from.
    folder: str | None = None


def read_definitions_text(
    text: str,
    limits: Limits,
    *,
    name: str = "body",
    exports: bool = False,
    drafts: bool = False,
) -> Definitions:
    """Read the segments and measures of a text, YAML or JSON; `name` stands for its file in problems.

    With `exports` it may hold exports as well, with `drafts` drafts of a wrong form.
    """
    found = _read(text, name, limits, exports=exports, drafts=drafts)
    found.problems.extend(_repeated(found))
    return found


def read_definitions(
    path: Path, limits: Limits, *, exports: bool = False, drafts: bool = False
) -> Definitions:
    """Read the segments and measures of a file or folder; problems of form of every file are kept.

    With `exports` it may hold exports as well, with `drafts` drafts of a wrong form.

    Raises:
        InvalidInput: there is nothing to read at all.
    """
    found = Definitions()
    for file in document_files(path):
        try:
            text = read_file(file)
        except InvalidInput as exc:
            found.problems.extend(exc.problems)
            continue
        found.add(_read(text, str(file), limits, exports=exports, drafts=drafts))
    found.problems.extend(_repeated(found))
    return found


def sent_files(path: Path) -> list[TextFile]:
    """Return what the file, or every document file of the folder, says, to be sent to a server.

    Raises:
        InvalidInput: there is nothing to read, or a file is no text.
    """
    return [
        TextFile(name=str(file), text=read_file(file), folder=str(file.absolute().parent))
        for file in document_files(path)
    ]


def read_texts(
    files: Iterable[TextFile], limits: Limits, *, exports: bool = False, drafts: bool = False
) -> Definitions:
    """Read the segments and measures of files that were sent; problems of form of every file are kept.

    With `exports` they may hold exports as well, with `drafts` drafts of a wrong form.
    """
    found = Definitions()
    for file in files:
        found.add(_read(file.text, file.name, limits, exports=exports, drafts=drafts))
    found.problems.extend(_repeated(found))
    return found


def _read(text: str, name: str, limits: Limits, *, exports: bool, drafts: bool) -> Definitions:
    is_other = is_export if exports else None
    read = read_what_can_be_read(text, file=name, limits=limits, is_other=is_other, drafts=drafts)
    return Definitions(
        segments=read.segments,
        measures=read.measures,
        problems=read.problems,
        unread_segments=read.unread_segments,
        unread_measures=read.unread_measures,
        exports=read.others,
        drafts=read.drafts,
    )


def _repeated(found: Definitions) -> list[Problem]:
    return [
        *repeated([*(s.written for s in found.segments), *(d.written for d in found.drafts)]),
        *repeated(measure.written for measure in found.measures),
    ]


def is_export(data: object) -> bool:
    """Whether plain data is meant as an export: it has the field `connection`, which no segment has."""
    return isinstance(data, dict) and "connection" in data


def catalog_for(connection: Connection, found: Definitions) -> Catalog:
    """Return the catalog in use.

    Raises:
        InvalidInput: there is none, and something is wrong with the documents by themselves.
        Conflict: there is none.
    """
    try:
        return required_catalog(connection)
    except Conflict:
        if found.problems:
            raise InvalidInput(found.problems) from None
        raise


def known_definitions(connection: Connection) -> Known:
    """Return what documents may refer to: the saved segments, with those they refer to, and measures."""
    records = list_segments(connection)
    return Known(
        segments={r.name: references_of(r.document) if r.document else () for r in records},
        measures={r.name: r.document for r in list_measures(connection) if r.document is not None},
    )


def known_with(known: Known, found: Definitions) -> Known:
    """Return what is known once what was `found` is saved, too."""
    unread: dict[str, Iterable[str]] = dict.fromkeys(
        [*found.unread_segments, *(draft.name for draft in found.drafts)], ()
    )
    return replace(
        known,
        segments={**unread, **(known.segments or {})},
        measures={**known.measures, **found.named_measures},
        unread_measures=frozenset(found.unread_measures),
    )


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


def refuse(problems: Sequence[Problem]) -> None:
    """Refuse what has problems, in the order in which they stand in the files.

    Raises:
        InvalidInput: there are problems.
    """
    if problems:
        raise InvalidInput(sorted(problems, key=lambda p: (not p.file, p.file or "", p.line or 0)))


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
