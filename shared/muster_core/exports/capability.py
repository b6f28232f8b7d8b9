"""What each kind of destination can take: the one place that says so, for those who write exports and those who send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from muster_core.errors import Problem
from muster_core.exports.document import ExportDocument, Format, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of destination takes."""

    #: The usual one first.
    modes: tuple[Mode, ...]
    #: Empty where it takes rows and no files.
    formats: frozenset[Format] = frozenset()

    @property
    def files(self) -> bool:
        """Whether it takes files."""
        return bool(self.formats)


#: Who a row of a database table belongs to; no column of an export has its name.
SEGMENT_COLUMN = "muster_segment"
#: What a name in PostgreSQL can hold, in bytes.
_MAX_IDENTIFIER = 63

_FILES = Capabilities(modes=(Mode.FULL, Mode.CHANGES, Mode.UPSERT), formats=frozenset(Format))
_MIRRORED = Capabilities(modes=(Mode.MIRROR,))

CAPABILITIES: Mapping[str, Capabilities] = {
    "folder": _FILES,
    "s3": _FILES,
    "azure": _FILES,
    "sftp": _FILES,
    "postgresql": _MIRRORED,
    "feed": _MIRRORED,
    "webhook": Capabilities(modes=(Mode.FULL, Mode.CHANGES, Mode.UPSERT)),
}


def unfit(document: ExportDocument, kind: str) -> list[Problem]:
    """Return what a destination of this kind cannot do, or would take without effect."""
    able = CAPABILITIES[kind]
    problems = []
    if document.mode is not None and document.mode not in able.modes:
        known = " or ".join(f"`{mode}`" for mode in able.modes)
        problems.append(
            Problem(
                message=f"a {kind} connection delivers {known}, not `{document.mode}`",
                pointer="/mode",
            )
        )
    if not able.files:
        problems += [
            Problem(
                message=f"`{name}` is about files, and a {kind} connection takes none",
                pointer=f"/{name}",
            )
            for name in ("format", "rows_per_file", "raw")
            if name in document.model_fields_set
        ]
    if kind == "feed" and document.columns:
        problems.append(
            Problem(message="the membership feed has no columns but its own", pointer="/columns")
        )
    if kind == "postgresql":
        problems += _unfit_names(document)
    return problems


def _unfit_names(document: ExportDocument) -> list[Problem]:
    """Return names that a table or a column in PostgreSQL cannot have."""
    problems = [
        Problem(
            message=f"a column in PostgreSQL has 1 to {_MAX_IDENTIFIER} bytes and is not `{SEGMENT_COLUMN}`",
            pointer=f"/columns/{number}",
            hint="Give it another name with `as`.",
        )
        for number, column in enumerate(document.columns)
        if len(column.header.encode()) > _MAX_IDENTIFIER or column.header == SEGMENT_COLUMN
    ]
    if document.name.startswith("muster_") or len(document.name) > _MAX_IDENTIFIER:
        problems.append(
            Problem(
                message="the table is named like the export: up to 63 characters, not beginning with muster_",
                pointer="/name",
            )
        )
    return problems
