"""The manifest of a delivered version: written last, so its presence means that everything is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from muster_core.exports.cell import MARKER
from muster_core.exports.document import Format, Mode
from muster_core.exports.form import Hash, Normal
from muster_core.exports.writer import CSV_DIALECT

MANIFEST_FORMAT = "muster.export"
MANIFEST_VERSION = 1


class Node(BaseModel):
    """A manifest node: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeliveredFile(Node):
    """One file and what its bytes must be; `size` is in bytes."""

    name: str
    rows: int
    size: int
    sha256: str


class DeliveredColumn(Node):
    """One column: its name in the files, where it comes from, and its catalog type."""

    name: str
    column: str
    type: str
    #: The form its text was brought into, and how it was hashed after that.
    normalise: Normal | None = None
    hash: Hash | None = None


class StaleReference(Node):
    """Members of another segment that the version was computed from though they were not fresh."""

    segment: str
    #: None where they were never published: their own run was cancelled or superseded.
    version: int | None
    published_at: str | None
    #: Seconds from their publication to the refresh that used them.
    age_seconds: float | None
    #: Why they were not fresh, see `muster_core.runs.freshness`.
    reason: str


class ExportManifest(Node):
    """Everything a consumer needs to read one version and to know that it is whole."""

    format: str = MANIFEST_FORMAT
    version: int = MANIFEST_VERSION
    export: str
    segment: str
    segment_version: int
    as_of: str
    published_at: str
    members: int
    #: Members who are never sent: suppressed, held out, erased.
    left_out: int
    #: Empty where everything the version was computed from was fresh.
    stale_references: list[StaleReference]
    #: The first column is the customer key.
    columns: list[DeliveredColumn]
    file_format: Format
    csv_dialect: dict[str, Any] | None
    #: What the files hold: all members, or what changed.
    mode: Mode
    #: The version that the changes stand on; None: the files hold every member, whatever was there before.
    basis_version: int | None
    #: Rows of each operation; None where there are no operations.
    changes: dict[str, int] | None
    rows_per_file: int
    files: list[DeliveredFile]

    def encode(self) -> bytes:
        """Return the manifest's bytes: equal manifests, equal bytes."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        return f"{text}\n".encode()


def csv_dialect(form: Format, *, raw: bool) -> dict[str, Any] | None:
    """Return how the CSV files are to be read, None for other formats."""
    if form not in (Format.CSV, Format.CSV_GZ):
        return None
    compression = "gzip" if form is Format.CSV_GZ else None
    formulas = "raw" if raw else "neutralised"
    return {
        **CSV_DIALECT,
        "compression": compression,
        "formulas": formulas,
        "formula_marker": None if raw else MARKER,
    }


class Latest(Node):
    """The pointer to the newest complete version of a segment; it never goes back."""

    segment_version: int
    manifest: str
    manifest_sha256: str

    def encode(self) -> bytes:
        """Return the pointer's bytes."""
        return f"{self.model_dump_json(indent=2)}\n".encode()


def instant(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
