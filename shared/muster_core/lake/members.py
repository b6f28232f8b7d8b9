"""The members of a published version with their profile columns, streamed in ordinal order.

One partition is in memory at a time, whatever the number of members, and no engine is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import parse_type
from muster_core.errors import InvalidInput, Problem, StoreDamaged
from muster_core.exports.document import Format
from muster_core.exports.target import folder_errors
from muster_core.exports.writer import RowFeed, write_file
from muster_core.lake.conversion import arrow_type
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile, Pointer, StoreFile
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store, verify
from muster_core.spelling import nearest_names

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList:
    """One version's members, opened from its snapshot and its matrix."""

    store: Store
    matrix: Matrix
    bit: int

    @classmethod
    def open(cls, lake: Lake, snapshot: str, sha256: str, pointer: Pointer) -> MemberList:
        """Open the members `pointer` names, over the snapshot whose manifest is `snapshot`.

        Raises:
            StoreDamaged: a manifest is missing or not the one named, or the two do not belong together.
        """
        store = Store.open(lake, snapshot, sha256)
        matrix = Matrix.open(lake, pointer.manifest, pointer.manifest_sha256)
        basis = matrix.manifest
        if basis.snapshot_sha256 != sha256:
            other = Store.open(lake, basis.snapshot, basis.snapshot_sha256)
            if other.manifest.generation != store.manifest.generation:
                raise StoreDamaged(
                    "The matrix and the snapshot number their customers differently."
                )
        return cls(store=store, matrix=matrix, bit=pointer.bit)

    @property
    def key(self) -> str:
        """Return the name of the column with the customer key."""
        return self.store.manifest.catalog.key

    def verify(self, pause: Callable[[], None] | None = None) -> None:
        """Check every file this reads from, byte for byte, against its manifest.

        `pause` is called between files and may raise to stop.

        Raises:
            StoreDamaged: a file is missing or is not the one that was written.
        """
        entries: list[MatrixFile | StoreFile] = [
            *self.matrix.manifest.files,
            *self.store.manifest.profile,
        ]
        for entry in entries:
            verify(self.store.lake, entry)
            if pause is not None:
                pause()

    def count(self) -> int:
        """Return the number of members that exist in the snapshot."""
        return sum(int(self._bits(p).sum()) for p in range(self.store.manifest.partitions))

    def schema(self, columns: Sequence[str]) -> Any:
        """Return the Arrow schema of `batches`: the key, then `columns`.

        Raises:
            InvalidInput: the snapshot's profile does not have one of them.
        """
        names = self._names(columns)
        known = self.store.manifest.columns
        if missing := [name for name in names if name not in known]:
            lead = f"The profile of this version has no column {', '.join(missing)}"
            near = sorted({n for name in missing for n in nearest_names(name, known)})
            hint = f"It has {', '.join(near)}." if near else f"It has {', '.join(known)}."
            raise InvalidInput([Problem(message=lead, hint=hint)], lead)
        return pa.schema([pa.field(n, arrow_type(parse_type(known[n]))) for n in names])

    def batches(self, columns: Sequence[str], *, skip: int = 0) -> Iterator[Any]:
        """Yield the members after the first `skip`, key first; whole partitions are skipped unread."""
        schema = self.schema(columns)
        for number in range(self.store.manifest.partitions):
            bits = self._bits(number)
            members = int(bits.sum())
            if members <= skip:
                skip -= members
                continue
            found = self.store.partition(number).profile(schema.names)
            table = pa.table([found[n] for n in schema.names], schema.names).filter(
                pa.array(bits, pa.bool_())
            )
            cells = [
                _readable(c, kind) for c, kind in zip(table.columns, schema.types, strict=True)
            ]
            table = pa.table(cells, schema)
            yield from table.slice(skip).to_batches(max_chunksize=BATCH_ROWS)
            skip = 0

    def _names(self, columns: Sequence[str]) -> list[str]:
        return [self.key, *(name for name in columns if name != self.key)]

    def _bits(self, number: int) -> NDArray[np.bool_]:
        """Return who is a member and alive; a matrix older than the snapshot has no bit for the newest."""
        alive = self.store.partition(number).alive()
        bits = self.matrix.bits(self.bit, number)[: len(alive)]
        alive_members = alive.copy()
        alive_members[: len(bits)] &= bits
        alive_members[len(bits) :] = False
        return alive_members


def first_members(
    lake: Lake,
    snapshot: str,
    snapshot_sha256: str,
    pointer: Pointer,
    columns: Sequence[str],
    *,
    limit: int,
    skip: int = 0,
) -> Any:
    """Return an Arrow table of at most `limit` members after the first `skip`, for people to look at."""
    members = MemberList.open(lake, snapshot, snapshot_sha256, pointer)
    schema = members.schema(columns)
    feed = RowFeed(members.batches(columns, skip=skip))
    return pa.concat_tables([schema.empty_table(), *feed.read(limit)])


def write_members(
    lake: Lake,
    snapshot: str,
    snapshot_sha256: str,
    pointer: Pointer,
    columns: Sequence[str],
    *,
    path: Path,
    form: Format,
    raw: bool = False,
) -> int:
    """Write all members to one new file at `path`, complete or not at all, and return how many.

    Raises:
        StoreDamaged: a file of the lake does not match its manifest.
        NoSpace: the disk is full.
        TargetUnavailable: the folder of `path` does not take files.
    """
    members = MemberList.open(lake, snapshot, snapshot_sha256, pointer)
    schema = members.schema(columns)
    members.verify()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with folder_errors(str(path.parent)):
            # members are nobody else's business: the mode an export's files have
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            with os.fdopen(descriptor, "wb") as output:
                feed = RowFeed(members.batches(columns))
                rows = write_file(output, schema, feed.read(), form=form, raw=raw)
                output.flush()
                os.fsync(output.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _readable(column: Any, kind: Any) -> Any:
    """Return `column` as `kind`, text as valid UTF-8; what is not valid becomes U+FFFD."""
    column = column.cast(kind)
    if not pa.types.is_string(kind):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        # Rare, so per value: only in a partition whose source holds broken text.
        texts = pc.cast(column, pa.binary()).to_pylist()
        fixed = [None if text is None else text.decode(errors="replace") for text in texts]
        return pa.chunked_array([fixed], kind)
    return column
