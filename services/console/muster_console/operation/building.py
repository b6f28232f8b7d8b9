"""What an editor of definitions works with: the catalog, what may be referred to, and one segment as it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muster_console.operation.definition import known_definitions, read_definitions_text
from muster_console.operation.hidden import (
    covered,
    covered_measure,
    covered_segment,
    values_hidden,
    veil_of,
)
from muster_console.operation.saving import AppliedSegment, apply_definitions
from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.catalog.document import Catalog
from muster_core.errors import ChangedMeanwhile, InvalidInput, Problem, UnreadableSegment
from muster_core.rules.check import Known
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.hidden import Scalar
from muster_core.rules.measure import MeasureDocument
from muster_core.storage.database import transaction
from muster_core.storage.measure import get_measure, list_measures
from muster_core.storage.segment import get_segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """The ground of an editor, read at one moment."""

    catalog: Catalog
    known: Known
    #: The segment to change and its revision; None and 0 for a new one.
    document: SegmentDocument | None = None
    rev: int = 0
    #: What placeholders of the document stand for, for checks only: whoever edits may not see these.
    hidden: Mapping[str, Scalar] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureBuilding:
    """The ground of an editor of a measure, read at one moment."""

    catalog: Catalog
    document: MeasureDocument | None = None
    rev: int = 0
    #: As in `Building`.
    hidden: Mapping[str, Scalar] = field(default_factory=dict, repr=False)


def open_building(workspace: Workspace, name: str | None = None) -> Building:
    """Return what a segment is built with; `name` is that of one to change.

    Raises:
        Conflict: there is no catalog yet.
        NotFound: there is no such segment.
        UnreadableSegment: its definition cannot be read.
    """
    with transaction(workspace.database) as connection:
        catalog, known = required_catalog(connection), known_definitions(connection)
        if name is None:
            return Building(catalog=catalog, known=known)
        record = covered_segment(veil_of(workspace, connection), get_segment(connection, name))
        hidden = values_hidden(workspace, connection, name, record.rev)
    if record.document is None:
        raise UnreadableSegment
    return Building(
        catalog=catalog, known=known, document=record.document, rev=record.rev, hidden=hidden
    )


def values_behind(workspace: Workspace, name: str, rev: int) -> dict[str, Scalar]:
    """Return what placeholders of a revision stand for, to check a draft that is based on it.

    Raises:
        NotFound: there is no such segment or revision.
    """
    with transaction(workspace.database) as connection:
        return values_hidden(workspace, connection, name, rev)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenDraft:
    """A draft whose form is wrong, as it was written, with everything that is wrong with it."""

    data: dict[str, Any]
    problems: list[Problem]
    rev: int


def open_broken_draft(workspace: Workspace, name: str) -> BrokenDraft:
    """Return a draft that no builder can show, to be mended as text.

    Raises:
        NotFound: there is no such segment.
        UnreadableSegment: it is no draft, so nobody wrote it like this: another release did.
    """
    with transaction(workspace.database) as connection:
        record = get_segment(connection, name)
        stored = covered(veil_of(workspace, connection), record.stored, record.rev)
    if record.state != "draft":
        raise UnreadableSegment
    problems: list[Problem] = []
    try:
        parse_segment(stored, limits=workspace.settings.limits)
    except InvalidInput as exc:
        problems = list(exc.problems)
    return BrokenDraft(data=stored, problems=problems, rev=record.rev)


def save_draft_text(workspace: Workspace, text: str, name: str, *, rev: int) -> AppliedSegment:
    """Save the text of the draft called `name`, though its form may be wrong; its warnings say what is.

    Raises:
        InvalidInput: it cannot be read at all, or is not that draft.
        ChangedMeanwhile: it is not at the revision `rev` any more.
    """
    found = read_definitions_text(text, workspace.settings.limits, name="", drafts=True)
    if not found.problems and found.segment_names != [name]:
        raise InvalidInput([Problem(message=f"this is not the one segment {name}")])
    return apply_definitions(workspace, found, expected={name: rev})[0]


def open_measure_building(workspace: Workspace, name: str | None = None) -> MeasureBuilding:
    """Return what a measure is built with; `name` is that of one to change.

    Raises:
        Conflict: there is no catalog yet.
        NotFound: there is no such measure.
        UnreadableSegment: its definition cannot be read.
    """
    with transaction(workspace.database) as connection:
        catalog = required_catalog(connection)
        if name is None:
            return MeasureBuilding(catalog=catalog)
        veil, stored = veil_of(workspace, connection), get_measure(connection, name)
    record = covered_measure(veil, stored)
    hidden = {} if veil is None else veil.cover(stored.stored, stored.rev)[1]
    if record.document is None:
        raise UnreadableSegment("The stored definition of the measure cannot be read.")
    return MeasureBuilding(catalog=catalog, document=record.document, rev=record.rev, hidden=hidden)


def save_measure_text(workspace: Workspace, text: str, *, rev: int) -> AppliedSegment:
    """Save the one measure a text defines, if it is still at the revision `rev`, 0 for one that must be new.

    Raises:
        InvalidInput: with every problem.
        ChangedMeanwhile: somebody else changed it, or made one of this name.
    """
    found = read_definitions_text(text, workspace.settings.limits, name="")
    if not found.problems and (len(found.measures) != 1 or found.segments):
        raise InvalidInput([Problem(message="this is not one measure")])
    with transaction(workspace.database) as connection:
        saved = {record.name: record.rev for record in list_measures(connection)}
    for name in found.named_measures:
        if saved.get(name, 0) != rev:
            raise ChangedMeanwhile(
                f"The measure `{name}` was changed by somebody else meanwhile.",
                hint="Read it again and repeat your change.",
            )
    return apply_definitions(workspace, found)[0]


def save_text(workspace: Workspace, text: str, *, rev: int) -> AppliedSegment:
    """Save the one segment a text defines, if it is still at the revision `rev`, 0 for one that must be new.

    Raises:
        InvalidInput: with every problem; those of a draft against the catalog are warnings.
        ChangedMeanwhile: somebody else changed it, or made one of this name.
    """
    found = read_definitions_text(text, workspace.settings.limits, name="")
    if not found.problems and (len(found.segments) != 1 or found.measures):
        raise InvalidInput([Problem(message="this is not one segment")])
    expected = {document.name: rev for document in found.documents}
    return apply_definitions(workspace, found, expected=expected)[0]
