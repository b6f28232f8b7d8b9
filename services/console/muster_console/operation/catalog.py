"""Checking a catalog against its data, applying it, showing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection

from muster_console.operation.definition import broken, known_definitions
from muster_console.operation.file import read_file
from muster_console.operation.remote import over
from muster_console.operation.workspace import RemoteWorkspace, Workspace, required_catalog
from muster_core.catalog.document import Catalog, TableDocument
from muster_core.catalog.text import read_catalog
from muster_core.errors import ChangedMeanwhile, InvalidInput, Problem
from muster_core.lake.address import scheme_of
from muster_core.lake.inspect import Inspection, Progress, resolve_catalog
from muster_core.rules.check import check_measures
from muster_core.rules.limit import Limits
from muster_core.storage import audit
from muster_core.storage import catalog as storage
from muster_core.storage.database import transaction
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import list_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying a catalog did."""

    id: int
    changed: bool
    inspection: Inspection


def check_catalog(path: Path, progress: Progress | None = None) -> Inspection:
    """Read the catalog file and hold it against the data; nothing needs to run, nothing is saved.

    Raises:
        InvalidInput: with every problem.
        SourceMissing, SourceUnreadable, DuplicateKeys, NullKeys: what is wrong with the data.
    """
    document = read_catalog(read_file(path), str(path))
    return resolve_catalog(document, base=path.absolute().parent, file=str(path), progress=progress)


def check_catalog_text(text: str) -> Inspection:
    """Hold a catalog that comes from elsewhere against the data; its sources are addresses or absolute paths.

    Raises:
        InvalidInput: with every problem, sources with a relative path among them.
        SourceMissing, SourceUnreadable, DuplicateKeys, NullKeys: what is wrong with the data.
    """
    document = read_catalog(text, "body")
    places: list[tuple[str, TableDocument]] = [("/profile", document.profile)]
    places += [(f"/tables/{name}", table) for name, table in document.tables.items()]
    problems = [
        Problem(
            message="the path is relative, and there is no file it could start from",
            pointer=f"{pointer}/source/parquet",
            hint="Write an absolute path of the server, s3:// or abfs://.",
        )
        for pointer, table in places
        if (place := table.source.parquet) is not None
        and scheme_of(place) is None
        and not PurePosixPath(place).is_absolute()
    ]
    if problems:
        raise InvalidInput(problems)
    return resolve_catalog(document, base=Path("/"), file="body")


def apply_catalog(workspace: Workspace, path: Path, progress: Progress | None = None) -> Applied:
    """Check the catalog and put it in use; what saved segments and measures use must still be there.

    Raises:
        InvalidInput: with every problem of the file, or of what it would break.
    """
    if isinstance(workspace, RemoteWorkspace):
        try:
            return apply_catalog_text(workspace, read_file(path))
        except InvalidInput as exc:
            # the server knows the file as the body of a request
            exc.problems = [replace(p, file=p.file or str(path)) for p in exc.problems]
            raise
    return _apply(workspace, check_catalog(path, progress))


@over("PUT", "/catalog", text="text", read=lambda answer: _applied_of(answer))
def apply_catalog_text(workspace: Workspace, text: str) -> Applied:
    """Check a catalog that comes from elsewhere and put it in use.

    Raises:
        InvalidInput: with every problem, or with what it would break.
    """
    return _apply(workspace, check_catalog_text(text))


def replace_catalog(workspace: Workspace, text: str, expected: int) -> Applied:
    """Put a catalog in use that was made from the one with the id `expected`, 0 where there was none.

    Raises:
        InvalidInput: with every problem, or with what it would break.
        ChangedMeanwhile: another catalog is in use by now.
    """
    return _apply(workspace, check_catalog_text(text), expected)


def _apply(workspace: Workspace, inspection: Inspection, expected: int | None = None) -> Applied:
    with transaction(workspace.database) as connection:
        lock_saving(connection)
        _keep_expected(connection, expected)
        _keep_definitions_valid(connection, inspection.catalog, workspace.settings.limits)
        found, changed = storage.apply_catalog(connection, inspection.catalog)
        if changed:
            audit.record(connection, workspace.actor, "catalog.changed", str(found))
    return Applied(id=found, changed=changed, inspection=inspection)


def _applied_of(answer: Mapping[str, Any]) -> Applied:
    inspection: Inspection = TypeAdapter(Inspection).validate_python(answer)
    return Applied(id=answer["id"], changed=answer["changed"], inspection=inspection)


def _keep_expected(connection: Connection, expected: int | None) -> None:
    found = storage.current_catalog(connection)
    if expected is not None and expected != (found[0] if found else 0):
        raise ChangedMeanwhile(
            "Somebody else changed the catalog meanwhile.",
            hint="Nothing was saved and what you wrote stays here: copy it, and load the page again.",
        )


@over("GET", "/catalog")
def show_catalog(workspace: Workspace) -> Catalog:
    """Return the catalog in use.

    Raises:
        Conflict: none has been applied yet.
    """
    with transaction(workspace.database) as connection:
        return required_catalog(connection)


def _keep_definitions_valid(connection: Connection, catalog: Catalog, limits: Limits) -> None:
    """Refuse a catalog that a measure, used or not, or a segment in use does not fit.

    Raises:
        InvalidInput: with every problem.
    """
    known = known_definitions(connection)
    wrong = check_measures(list(known.measures.values()), catalog, limits=limits)
    used = [
        segment.document
        for segment in list_segments(connection)
        if segment.state == "active" and segment.document is not None
    ]
    problems = wrong + broken(used, catalog, known, limits)
    if problems:
        raise InvalidInput(problems, "This catalog would break measures or segments in use")
