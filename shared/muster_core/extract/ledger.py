"""The manifests of one source in the lake: the highest number counts, and each number is given out once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from muster_core.errors import SnapshotMoved, StoreDamaged
from muster_core.extract.manifest import EXTRACT_FORMAT, ExtractManifest
from muster_core.lake.location import Lake
from muster_core.lake.place import source_folder

_NAME = re.compile(r"manifest-(\d{8})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The extractions of one table under one definition, below ``sources/<table>/<definition>``."""

    lake: Lake
    table: str
    definition: str

    @property
    def directory(self) -> str:
        """Return the directory, relative to the lake."""
        return f"{source_folder(self.table)}/{self.definition}"

    def numbers(self) -> list[int]:
        """Return the numbers of all manifests, ascending."""
        listed = self.lake.entries(self.directory, deep=False)
        found = (_NAME.fullmatch(entry.path.rpartition("/")[2]) for entry in listed)
        return sorted(int(match[1]) for match in found if match)

    def read(self, number: int) -> ExtractManifest:
        """Return one manifest.

        Raises:
            StoreDamaged: it cannot be read, or is of a newer format.
        """
        path = self.path(number)
        try:
            manifest = ExtractManifest.model_validate_json(self.lake.read_bytes(path))
        except ValidationError as exc:
            raise StoreDamaged(f"The manifest {path} cannot be read.") from exc
        if manifest.version != EXTRACT_FORMAT:
            raise StoreDamaged(f"The manifest {path} has format version {manifest.version}.")
        return manifest

    def head(self) -> ExtractManifest | None:
        """Return the manifest that counts; None before the first extraction."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None

    def publish(self, manifest: ExtractManifest) -> None:
        """Make `manifest` the one that counts.

        Raises:
            SnapshotMoved: another extraction took its number first.
        """
        try:
            self.lake.create(self.path(manifest.number), manifest.model_dump_json().encode())
        except FileExistsError as exc:
            raise SnapshotMoved(
                f"Another extraction of {self.table} finished first; this one is tried again."
            ) from exc

    def path(self, number: int) -> str:
        """Return where the manifest of a number is."""
        return f"{self.directory}/manifest-{number:08d}.json"
