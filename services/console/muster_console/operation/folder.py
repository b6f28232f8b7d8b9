"""A folder of YAML as the definition of a deployment: planned, applied, written from what is saved.

A plan is an application whose transaction is rolled back: what it says is what applying would have done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from muster_console.operation.definition import (
    Definitions,
    TextFile,
    read_definitions,
    read_definitions_text,
    read_texts,
    sent_files,
)
from muster_console.operation.export import bring_exports, read_written_exports
from muster_console.operation.hidden import covered, covered_pair, veil_of
from muster_console.operation.remote import over
from muster_console.operation.saving import AppliedSegment, bring_definitions
from muster_console.operation.workspace import RemoteWorkspace, Workspace
from muster_console.operation.writing import Difference, as_yaml, differences
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import ExportDocument
from muster_core.rules.hidden import Veil
from muster_core.storage.applied import Applied, Thing, note_applied, read_applied
from muster_core.storage.database import transaction
from muster_core.storage.export import list_exports
from muster_core.storage.measure import list_measures
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import list_segments

_KINDS = ("measure", "segment", "export")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What files say."""

    definitions: Definitions
    exports: list[ExportDocument]

    @property
    def things(self) -> list[Thing]:
        """Return everything they speak of, in the order in which it is applied."""
        return [
            *(("measure", name) for name in self.definitions.named_measures),
            *(("segment", name) for name in self.definitions.segment_names),
            *(("export", document.name) for document in self.exports),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Something that stands otherwise than files last said: it was changed, or deleted, by hand."""

    kind: str
    name: str
    #: Who applied it last, and when.
    applied_by: str
    applied_at: datetime
    #: What was changed since; empty where it was deleted.
    differences: list[Difference]
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What applying does to one thing."""

    kind: str
    name: str
    #: ``created``, ``changed`` or ``unchanged``.
    change: str
    differences: list[Difference]
    warnings: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What applying a folder does, or did."""

    steps: list[Step]
    drift: list[Drift]
    #: What was applied from files before and is in none of these; it is left as it is.
    absent: list[Thing]

    @property
    def changes(self) -> int:
        """Return how many things it creates or changes."""
        return sum(step.change != "unchanged" for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedDocument:
    """The document of one thing, as a file would hold it."""

    #: ``segment``, ``measure`` or ``export``.
    kind: str
    name: str
    document: dict[str, Any]


class _RolledBack(Exception):
    """Ends the transaction of a plan."""


def read_folder(path: Path, workspace: Workspace) -> Folder:
    """Read the segments, measures and exports of a file or folder.

    Raises:
        InvalidInput: with every problem of form.
    """
    limits = workspace.settings.limits
    definitions = read_definitions(path, limits, exports=True, drafts=True)
    return _folder(definitions, folders=None)


def read_folder_files(files: Sequence[TextFile], workspace: Workspace) -> Folder:
    """Read segments, measures and exports from files that were sent.

    Raises:
        InvalidInput: with every problem of form.
    """
    limits = workspace.settings.limits
    definitions = read_texts(files, limits, exports=True, drafts=True)
    folders = {file.name: Path(file.folder) if file.folder else None for file in files}
    return _folder(definitions, folders=folders)


def read_folder_text(text: str, workspace: Workspace) -> Folder:
    """Read segments, measures and exports from one text; folders of exports are absolute paths.

    Raises:
        InvalidInput: with every problem of form.
    """
    limits = workspace.settings.limits
    definitions = read_definitions_text(text, limits, exports=True, drafts=True)
    return _folder(definitions, folders={})


def _folder(definitions: Definitions, *, folders: Mapping[str, Path | None] | None) -> Folder:
    exports: list[ExportDocument] = []
    try:
        exports = read_written_exports(definitions.exports, folders=folders)
    except InvalidInput as exc:
        definitions.problems.extend(exc.problems)
    if definitions.problems:
        raise InvalidInput(definitions.problems)
    return Folder(definitions=definitions, exports=exports)


def apply_path(workspace: Workspace, path: Path) -> Plan:
    """Create or change everything that a file or folder speaks of, all or nothing.

    Raises:
        InvalidInput, NotFound, Conflict: as for `apply_folder`.
    """
    if isinstance(workspace, RemoteWorkspace):
        return _apply_files(workspace, sent_files(path))
    return apply_folder(workspace, read_folder(path, workspace))


def plan_path(workspace: Workspace, path: Path) -> Plan:
    """Return what `apply_path` would do now; nothing is changed.

    Raises:
        InvalidInput, NotFound, Conflict: whatever applying would raise.
    """
    if isinstance(workspace, RemoteWorkspace):
        return _plan_files(workspace, sent_files(path))
    return plan_folder(workspace, read_folder(path, workspace))


@over("POST", "/apply/files")
def _apply_files(workspace: Workspace, files: Sequence[TextFile]) -> Plan:
    return apply_folder(workspace, read_folder_files(files, workspace))


@over("POST", "/plan/files")
def _plan_files(workspace: Workspace, files: Sequence[TextFile]) -> Plan:
    return plan_folder(workspace, read_folder_files(files, workspace))


def apply_folder(workspace: Workspace, folder: Folder) -> Plan:
    """Create or change everything the files speak of, all or nothing.

    Raises:
        InvalidInput: with every problem, of form and against the catalog.
        NotFound: an export names a segment or connection that does not exist.
        Conflict: there is no catalog yet.
    """
    with transaction(workspace.database) as connection:
        return _bring(connection, workspace, folder)


def plan_folder(workspace: Workspace, folder: Folder) -> Plan:
    """Return what `apply_folder` would do now; nothing is changed.

    Raises:
        InvalidInput, NotFound, Conflict: whatever applying would raise.
    """
    plan: list[Plan] = []
    try:
        with transaction(workspace.database) as connection:
            plan.append(_bring(connection, workspace, folder))
            raise _RolledBack
    except _RolledBack:
        return plan[0]


@over("GET", "/documents")
def list_documents(workspace: Workspace) -> list[DefinedDocument]:
    """Return the document of every export, measure and segment, by kind and name."""
    with transaction(workspace.database) as connection:
        found, revisions = _documents(connection), _revisions(connection)
        veil = veil_of(workspace, connection)
    return [
        DefinedDocument(
            kind=thing[0],
            name=thing[1],
            document=covered(veil, document, revisions[thing]) if thing in revisions else document,
        )
        for thing, document in sorted(found.items())
    ]


def write_folder(workspace: Workspace, path: Path) -> list[Path]:
    """Write every segment, measure and export as YAML below `path`; return the files, others are left alone.

    Raises:
        InvalidInput: a file cannot be written.
    """
    written: list[Path] = []
    for one in list_documents(workspace):
        file = path / f"{one.kind}s" / f"{one.name}.yaml"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(as_yaml(one.document), encoding="utf-8")
        except OSError as exc:
            message = f"cannot be written: {exc.strerror}"
            raise InvalidInput([Problem(message=message, file=str(file))]) from exc
        written.append(file)
    return written


def _bring(connection: Connection, workspace: Workspace, folder: Folder) -> Plan:
    lock_saving(connection)
    before, applied = _documents(connection), read_applied(connection)
    switched_off = {m.name for m in list_measures(connection) if m.deactivated_at is not None}
    done = []
    if folder.definitions.segment_names or folder.definitions.measures:
        done = bring_definitions(connection, workspace, folder.definitions)
    bring_exports(connection, workspace, folder.exports)
    after = _documents(connection)
    veil = veil_of(workspace, connection)
    steps = [
        _step(thing, before.get(thing), after[thing], done, veil, woken=thing[1] in switched_off)
        for thing in folder.things
    ]
    said = {thing: after[thing] for thing in folder.things}
    note_applied(connection, said, actor=workspace.actor)
    return Plan(
        steps=steps,
        drift=_drift(before, {t: a for t, a in applied.items() if t in before or t in said}, veil),
        absent=sorted(thing for thing in applied if thing in before and thing not in said),
    )


def _step(
    thing: Thing,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    done: list[AppliedSegment],
    veil: Veil | None,
    *,
    woken: bool,
) -> Step:
    kind, name = thing
    found = [] if before is None else _differences(thing, before, after, veil)
    if kind == "measure" and woken:
        found.append(Difference(pointer="/state", before="inactive", after="active"))
    change = "created" if before is None else "changed" if found else "unchanged"
    warnings = [one.warnings for one in done if (one.kind, one.name) == thing]
    return Step(
        kind=kind,
        name=name,
        change=change,
        differences=found,
        warnings=warnings[0] if warnings else [],
    )


def _differences(
    thing: Thing, before: dict[str, Any], after: dict[str, Any], veil: Veil | None
) -> list[Difference]:
    """Return how two definitions differ, as whoever asks may read it; their placeholders are of no revision."""
    if thing[0] != "export":
        before, after = covered_pair(veil, (before, 0), (after, 0))
    return list(differences(before, after))


def _drift(
    before: Mapping[Thing, dict[str, Any]],
    applied: Mapping[Thing, Applied],
    veil: Veil | None,
) -> list[Drift]:
    return [
        Drift(
            kind=thing[0],
            name=thing[1],
            applied_by=said.actor,
            applied_at=said.at,
            differences=_differences(thing, said.document, before[thing], veil)
            if thing in before
            else [],
            deleted=thing not in before,
        )
        for thing, said in sorted(applied.items(), key=lambda item: _place(item[0]))
        if before.get(thing) != said.document
    ]


def _place(thing: Thing) -> tuple[int, str]:
    return _KINDS.index(thing[0]), thing[1]


def _revisions(connection: Connection) -> dict[Thing, int]:
    """Return the revision of every segment and measure."""
    return {
        **{("measure", record.name): record.rev for record in list_measures(connection)},
        **{("segment", record.name): record.rev for record in list_segments(connection)},
    }


def _documents(connection: Connection) -> dict[Thing, dict[str, Any]]:
    """Return the document of everything that is saved."""
    return {
        **{("measure", record.name): record.stored for record in list_measures(connection)},
        **{("segment", record.name): record.stored for record in list_segments(connection)},
        **{
            ("export", stored.name): stored.document.to_json()
            for stored in list_exports(connection)
        },
    }
