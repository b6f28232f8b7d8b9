"""What changed since a snapshot: fingerprints of tables over their catalog entries and source files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from muster_core.catalog.document import Catalog, Relationship, Table
from muster_core.catalog.path import Path, paths_to_profile, prepared_name, tables_along
from muster_core.catalog.reference import dimension_keys
from muster_core.extract.document import TUNING
from muster_core.extract.listing import list_table
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SnapshotManifest, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One related table as it will stand in the store."""

    name: str
    table: str
    path: Path
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One dimension as it will stand in the store; `keys` are the columns that are referred to."""

    table: Table
    keys: list[str]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The sources as they are now."""

    listing: dict[str, list[SourceFile]]
    profile: str
    parts: dict[str, Part]
    dimensions: dict[str, Whole]


def look(catalog: Catalog, lake: Lake) -> Present:
    """List every source and take the fingerprints; no file is opened.

    Raises:
        SourceMissing: a source has gone, or was never extracted into the lake.
    """
    ways = {name: paths_to_profile(catalog, name) for name in catalog.tables}
    referred = dimension_keys(catalog)
    used = [n for n, paths in ways.items() if paths or n in referred]
    tables = [catalog.profile, *(catalog.tables[name] for name in used)]
    listing = {table.name: list_table(lake, table) for table in tables}
    parts = {}
    for name, paths in ways.items():
        for path in paths:
            involved = [catalog.tables[name], *tables_along(catalog, path)]
            parts[prepared_name(catalog, name, path)] = Part(
                name=prepared_name(catalog, name, path),
                table=name,
                path=path,
                fingerprint=_fingerprint(involved, path, listing),
            )
    return Present(
        listing=listing,
        profile=_fingerprint([catalog.profile], (), listing, catalog.key),
        parts=parts,
        dimensions={
            name: Whole(
                table=catalog.tables[name],
                keys=keys,
                fingerprint=_fingerprint([catalog.tables[name]], (), listing, ",".join(keys)),
            )
            for name, keys in referred.items()
        },
    )


def shape(catalog: Catalog, part: str) -> str | None:
    """Return the fingerprint of a related table without its source files; None: the catalog has no such part.

    Where it stays the same, only files made the difference, and what is prepared of the others still holds.
    """
    name = part.partition("@")[0]
    if name not in catalog.tables:
        return None
    for path in paths_to_profile(catalog, name):
        if prepared_name(catalog, name, path) == part:
            involved = [catalog.tables[name], *tables_along(catalog, path)]
            return _fingerprint(involved, path, {table.name: [] for table in involved})
    return None


def is_unchanged(catalog: Catalog, present: Present, manifest: SnapshotManifest) -> bool:
    """Whether a preparation would give the snapshot `manifest` again."""
    return (
        catalog == manifest.catalog
        and present.profile == manifest.fingerprint
        and {n: p.fingerprint for n, p in present.parts.items()}
        == {n: t.fingerprint for n, t in manifest.tables.items()}
        and {n: d.fingerprint for n, d in present.dimensions.items()}
        == {n: d.fingerprint for n, d in manifest.dimensions.items()}
    )


def _fingerprint(
    tables: Iterable[Table], path: Path, listing: dict[str, list[SourceFile]], key: str = ""
) -> str:
    content = {
        "tables": [_entry(table) for table in tables],
        "path": [[step.from_, step.to, *_said(step)] for step in path],
        "sources": [
            [f.model_dump(exclude_defaults=True) for f in listing[table.name]] for table in tables
        ],
        "key": key,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _said(step: Relationship) -> list[str]:
    """Return the kind of a relationship where it decides what is refused; most are many-to-one."""
    return [] if step.kind == "many_to_one" else [step.kind]


def _entry(table: Table) -> dict[str, object]:
    """Return what of a table's entry decides the prepared rows.

    Who may see a column does not, nor how patiently a source is read.
    """
    return table.model_dump(
        exclude={"personal": True, "closed": True, "source": {"postgres": set(TUNING)}}
    )
