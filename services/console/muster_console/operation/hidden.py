"""What of saved definitions is hidden from people without the grant ``members``, and put back when they save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from muster_console.operation.definition import Definitions
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, NotFound, Problem
from muster_core.rules.document import SegmentDocument
from muster_core.rules.draft import plain_data
from muster_core.rules.hidden import Scalar, Veil, placeholders_in, revision_meant
from muster_core.rules.measure import MeasureDocument
from muster_core.storage.catalog import current_catalog
from muster_core.storage.measure import MeasureRecord, get_measure
from muster_core.storage.segment import SegmentRecord
from muster_core.storage.segment_life import get_revision

_NAMED = 3


def veil_of(workspace: Workspace, connection: Connection) -> Veil | None:
    """Return what hides values from whoever asks; None where they may see all."""
    return None if workspace.sees_members else _veil(connection)


def _veil(connection: Connection) -> Veil:
    found = current_catalog(connection)
    return Veil(None if found is None else found[1])


def covered(veil: Veil | None, stored: Mapping[str, Any], rev: int) -> dict[str, Any]:
    """Return a stored definition as whoever asks may read it."""
    return dict(stored) if veil is None else veil.cover(stored, rev)[0]


def covered_pair(
    veil: Veil | None,
    before: tuple[Mapping[str, Any], int],
    after: tuple[Mapping[str, Any], int],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two revisions as whoever asks may read them; what is equal in both looks so."""
    if veil is None:
        return dict(before[0]), dict(after[0])
    first, known = veil.cover(*before)
    return first, veil.cover(*after, known)[0]


def covered_segment(veil: Veil | None, record: SegmentRecord) -> SegmentRecord:
    """Return a segment as whoever asks may read it."""
    if veil is None:
        return record
    stored = covered(veil, record.stored, record.rev)
    document = None if record.document is None else SegmentDocument.model_validate(stored)
    return replace(record, written=json.dumps(stored), document=document)


def covered_measure(veil: Veil | None, record: MeasureRecord) -> MeasureRecord:
    """Return a measure as whoever asks may read it."""
    if veil is None:
        return record
    stored = covered(veil, record.stored, record.rev)
    document = None if record.document is None else MeasureDocument.model_validate(stored)
    return replace(record, stored=stored, document=document)


def values_hidden(
    workspace: Workspace, connection: Connection, name: str, rev: int
) -> dict[str, Scalar]:
    """Return what each placeholder of a segment's revision stands for; none where whoever asks sees all.

    They serve to check and count what somebody edits, and are shown to nobody.

    Raises:
        NotFound: there is no such segment or revision.
    """
    veil = veil_of(workspace, connection)
    if veil is None:
        return {}
    return veil.cover(get_revision(connection, name, rev).document, rev)[1]


def uncovered(workspace: Workspace, connection: Connection, found: Definitions) -> Definitions:
    """Return what was read with every placeholder replaced by what it stands for in the segment as it is saved.

    Raises:
        InvalidInput: one stands for nothing, or where nothing is hidden, and whoever asks cannot mean it literally.
    """
    segments = [(s, list(placeholders_in(s.written.data))) for s in found.segments]
    measures = [(m, list(placeholders_in(m.written.data))) for m in found.measures]
    drafts = [(d, list(placeholders_in(d.data))) for d in found.drafts]
    if not any(held for _, held in (*segments, *measures, *drafts)):
        return found
    back = _Back(workspace, connection)
    whole = replace(
        found,
        segments=[
            replace(one, document=back.segment(one.document, held)) if held else one
            for one, held in segments
        ],
        measures=[
            replace(one, document=back.measure(one.document, held)) if held else one
            for one, held in measures
        ],
        drafts=[
            replace(one, data=plain_data(back.plain("segment", one.name, one.data, held)))
            if held
            else one
            for one, held in drafts
        ],
    )
    if back.problems:
        raise InvalidInput(back.problems)
    return whole


class _Back:
    """Puts hidden values back into definitions."""

    def __init__(self, workspace: Workspace, connection: Connection) -> None:
        self._workspace = workspace
        self._connection = connection
        self._veil = _veil(connection)
        self.problems: list[Problem] = []

    def segment(self, document: SegmentDocument, held: list[str]) -> SegmentDocument:
        data = document.model_dump(by_alias=True, exclude_unset=True)
        return SegmentDocument.model_validate(self.plain("segment", document.name, data, held))

    def measure(self, document: MeasureDocument, held: list[str]) -> MeasureDocument:
        data = document.model_dump(by_alias=True, exclude_unset=True)
        return MeasureDocument.model_validate(self.plain("measure", document.name, data, held))

    def plain(self, kind: str, name: str, data: dict[str, Any], held: list[str]) -> dict[str, Any]:
        values: dict[str, Scalar] = {}
        for rev in sorted({revision_meant(placeholder) for placeholder in held}):
            stored = self._stored(kind, name, rev)
            values |= {} if stored is None else self._veil.cover(stored, rev)[1]
        whole: dict[str, Any] = self._veil.uncover(data, values)
        # who sees all may mean the text itself
        left = [] if self._workspace.sees_members else sorted(set(placeholders_in(whole)))
        if left:
            shown = ", ".join(left[:_NAMED]) + (" ..." if len(left) > _NAMED else "")
            message = f"{kind} {name}: {shown} stands for no value that is hidden there"
            hint = (
                f"Read the {kind} again. What is hidden can stay or go, but not move to another {kind} or place; "
                "a copy is made by duplicating."
            )
            self.problems.append(Problem(message=message, hint=hint))
        return whole

    def _stored(self, kind: str, name: str, rev: int) -> dict[str, Any] | None:
        try:
            if kind == "segment":
                return get_revision(self._connection, name, rev).document
            record = get_measure(self._connection, name)
        except NotFound:
            return None
        return record.stored if record.rev == rev else None
