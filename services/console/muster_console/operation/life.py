"""One segment from its first draft on: created, edited, copied, its versions compared and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from muster_console.operation.definition import (
    Definitions,
    known_definitions,
    read_definitions_text,
)
from muster_console.operation.hidden import covered, covered_pair, veil_of
from muster_console.operation.remote import over
from muster_console.operation.saving import AppliedSegment, apply_definitions
from muster_console.operation.workspace import Workspace, required_catalog
from muster_console.operation.writing import Difference, differences, unified
from muster_core.errors import ChangedMeanwhile, Conflict, InvalidInput, Problem
from muster_core.rules.check import check_folder
from muster_core.rules.document import CLEANUP_TAG, parse_segment
from muster_core.rules.limit import Limits
from muster_core.rules.reference import measures_of, references_of
from muster_core.storage import segment as storage
from muster_core.storage import segment_life
from muster_core.storage.database import transaction
from muster_core.storage.segment_life import Revision
from muster_core.storage.segment_use import SegmentUse, segment_uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One revision of a definition, with the fields that its change touched."""

    revision: Revision
    #: JSON pointers of what changed against the revision before; empty for the first.
    changed: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it, without the document."""
        found = asdict(self.revision) | {"changed": self.changed}
        del found["document"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two revisions of a definition differ."""

    before: int
    after: int
    differences: list[Difference]
    #: The same as lines of YAML, with - and + in front.
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Who uses a segment, and what it uses itself."""

    name: str
    used_by: SegmentUse
    refers_to: list[str]
    measures: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


def save_document(
    workspace: Workspace, document: Mapping[str, Any], *, rev: int | None = None
) -> AppliedSegment:
    """Save one segment's document, by itself; a draft is saved with everything that is wrong with it.

    `rev` is the revision it is based on, 0 for a new segment; None overwrites whatever there is.

    Raises:
        InvalidInput: with every problem.
        ChangedMeanwhile: the segment is not at that revision.
    """
    return save_one(workspace, read_one(workspace, document), rev=rev)


def read_one(workspace: Workspace, document: Mapping[str, Any]) -> Definitions:
    """Read a document as if it stood in a file, so that every problem of it is found."""
    text, limits = json.dumps(document), workspace.settings.limits
    return read_definitions_text(text, limits, name="segment.json", drafts=True)


def save_one(
    workspace: Workspace, found: Definitions, *, rev: int | None = None, name: str | None = None
) -> AppliedSegment:
    """Save the one segment that was read, called `name` where that is given.

    Raises:
        InvalidInput: with every problem; it is not one segment, or not of this name.
        ChangedMeanwhile: the segment is not at the revision `rev`.
    """
    names = found.segment_names
    if not found.problems and (len(names) != 1 or found.measures or name not in (None, *names)):
        message = (
            "this must be one segment" if name is None else f"this must be the one segment `{name}`"
        )
        raise InvalidInput([Problem(message=message, pointer="/name")])
    expected = {} if rev is None or not names else {names[0]: rev}
    return apply_definitions(workspace, found, expected=expected)[0]


@over("GET", "/segments/{name}/problems", at="problems")
def validate_segment(workspace: Workspace, name: str) -> list[Problem]:
    """Return everything that keeps a segment from being refreshed: wrong form, and what the catalog lacks.

    Raises:
        NotFound: there is no such segment.
        Conflict: there is no catalog yet.
    """
    with transaction(workspace.database) as connection:
        record = storage.get_segment(connection, name)
        catalog, known = required_catalog(connection), known_definitions(connection)
        shown = covered(veil_of(workspace, connection), record.stored, record.rev)
    limits = workspace.settings.limits
    try:
        document = parse_segment(record.stored, limits=limits)
    except InvalidInput as exc:
        # problems of form quote what is written
        return exc.problems if shown == record.stored else _problems_shown(shown, limits)
    return check_folder([document], catalog, limits=limits, known=known)[0]


def _problems_shown(shown: Mapping[str, Any], limits: Limits) -> list[Problem]:
    try:
        parse_segment(shown, limits=limits)
    except InvalidInput as exc:
        return exc.problems
    return [Problem(message="what is wrong with it is hidden from you, with the keys it names")]


def create_written(workspace: Workspace, text: str, *, file: str | None = None) -> AppliedSegment:
    """Save the one segment of a text, YAML or JSON, as a new one; `file` is where problems say it stands.

    Raises:
        Conflict: there is one of this name.
        InvalidInput: with every problem.
    """
    with _problems_in(file):
        return _warned_in(file, _create_written(workspace, text))


def edit_written(
    workspace: Workspace, name: str, text: str, *, rev: int, file: str | None = None
) -> AppliedSegment:
    """Change a segment, at the revision `rev`, to what a text says; `file` is where problems say it stands.

    Raises:
        ChangedMeanwhile: somebody else changed it since.
        InvalidInput: with every problem; the text is not this one segment.
    """
    with _problems_in(file):
        return _warned_in(file, _edit_written(workspace, name, text, rev=rev))


@over("POST", "/segments", text="text")
def _create_written(workspace: Workspace, text: str) -> AppliedSegment:
    found = read_definitions_text(text, workspace.settings.limits, drafts=True)
    return create_segment(workspace, found)


@over("PUT", "/segments/{name}", text="text", revision="rev")
def _edit_written(workspace: Workspace, name: str, text: str, *, rev: int) -> AppliedSegment:
    found = read_definitions_text(text, workspace.settings.limits, drafts=True)
    return save_one(workspace, found, rev=rev, name=name)


@contextmanager
def _problems_in(file: str | None) -> Iterator[None]:
    try:
        yield
    except InvalidInput as exc:
        exc.problems = [_in_file(problem, file) for problem in exc.problems]
        raise


def _warned_in(file: str | None, saved: AppliedSegment) -> AppliedSegment:
    return replace(saved, warnings=[_in_file(warning, file) for warning in saved.warnings])


def _in_file(problem: Problem, file: str | None) -> Problem:
    """Name the file that a text came from; lines of one that was never a file say nothing."""
    if file is None:
        return replace(problem, file=None, line=None, column=None)
    return replace(problem, file=file)


def create_segment(workspace: Workspace, found: Definitions) -> AppliedSegment:
    """Save the one segment that was read as a new one.

    Raises:
        Conflict: there is one of this name.
        InvalidInput: with every problem.
    """
    try:
        return save_one(workspace, found, rev=0)
    except ChangedMeanwhile as exc:
        raise Conflict(
            f"There is a segment `{found.segment_names[0]}` already.",
            hint="Names are unique and fixed; choose another one, or edit that segment.",
        ) from exc


@over("POST", "/segments/{name}/duplicate", names={"new_name": "name"})
def duplicate_segment(
    workspace: Workspace,
    name: str,
    new_name: str,
    *,
    display_name: str | None = None,
    state: str | None = None,
) -> AppliedSegment:
    """Save a copy of a segment's definition under another name, in the same state unless told.

    Raises:
        NotFound: there is no such segment.
        Conflict: the new name is taken.
        InvalidInput: with every problem.
    """
    with transaction(workspace.database) as connection:
        stored = storage.get_segment(connection, name).stored
    copy = {**stored, "name": new_name, "state": state or stored.get("state", "active")}
    if display_name is not None:
        copy["display_name"] = display_name
    # why the other one was switched off says nothing of this one
    copy["tags"] = [tag for tag in copy.get("tags", []) if tag != CLEANUP_TAG]
    return create_segment(workspace, read_one(workspace, copy))


@over("GET", "/segments/{name}/versions", read=lambda answer: [_version_of(one) for one in answer])
def list_versions(workspace: Workspace, name: str) -> list[Version]:
    """Return every revision of a segment's definition, the newest first.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        revisions = segment_life.list_revisions(connection, name)
    return _with_changes(revisions)


def _version_of(answer: Mapping[str, Any]) -> Version:
    """Return a version as a server lists it: without its document, which no list shows."""
    revision = TypeAdapter(Revision).validate_python({"document": {}, **answer})
    return Version(revision=revision, changed=answer["changed"])


def _with_changes(revisions: Sequence[Revision]) -> list[Version]:
    older: list[Revision | None] = [*revisions[1:], None]
    return [
        Version(
            revision=revision,
            changed=[]
            if before is None
            else [d.pointer for d in differences(before.document, revision.document)],
        )
        for revision, before in zip(revisions, older, strict=True)
    ]


@over("GET", "/segments/{name}/versions/{rev}")
def show_version(workspace: Workspace, name: str, rev: int) -> Revision:
    """Return one revision of a segment's definition.

    Raises:
        NotFound: there is no such segment or revision.
    """
    with transaction(workspace.database) as connection:
        found = segment_life.get_revision(connection, name, rev)
        return replace(found, document=covered(veil_of(workspace, connection), found.document, rev))


@over("GET", "/segments/{name}/diff")
def compare_versions(
    workspace: Workspace, name: str, before: int | None = None, after: int | None = None
) -> Comparison:
    """Compare two revisions; by default the newest with the one before it.

    Raises:
        NotFound: there is no such segment or revision.
        Conflict: there is only one.
    """
    with transaction(workspace.database) as connection:
        newest = storage.get_segment(connection, name).rev
        new = newest if after is None else after
        old = new - 1 if before is None else before
        if old == 0 and before is None:
            raise Conflict(f"The segment `{name}` has no revision before {new}.")
        first = segment_life.get_revision(connection, name, old).document
        second = segment_life.get_revision(connection, name, new).document
        veil = veil_of(workspace, connection)
    first, second = covered_pair(veil, (first, old), (second, new))
    return Comparison(
        before=old,
        after=new,
        differences=list(differences(first, second)),
        text=unified(first, second, names=(f"{name}, revision {old}", f"{name}, revision {new}")),
    )


@over("POST", "/segments/{name}/rollback")
def roll_back(workspace: Workspace, name: str, rev: int) -> AppliedSegment:
    """Make a former revision the newest one, as a change of its own; nothing of the history goes.

    Raises:
        NotFound: there is no such segment or revision.
        ChangedMeanwhile: somebody else changed the segment at the same time.
        InvalidInput: it does not fit the catalog any more, with every problem.
    """
    with transaction(workspace.database) as connection:
        present = storage.get_segment(connection, name).rev
        document = segment_life.get_revision(connection, name, rev).document
    return save_document(workspace, document, rev=present)


@over("GET", "/segments/{name}/usage")
def show_usage(workspace: Workspace, name: str) -> Usage:
    """Return who uses a segment, and what it uses itself.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        document = storage.get_segment(connection, name).document
        used_by = segment_uses(connection, [name])[name]
    return Usage(
        name=name,
        used_by=used_by,
        refers_to=sorted(references_of(document)) if document else [],
        measures=sorted(measures_of(document)) if document else [],
    )
