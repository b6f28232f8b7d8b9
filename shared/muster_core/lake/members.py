"""The members of a published version with their columns, streamed in ordinal order.

One partition is in memory at a time, whatever the number of members, and no engine is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import ColumnType, parse_type
from muster_core.errors import InvalidInput, Problem, StoreDamaged
from muster_core.exports.document import Format
from muster_core.exports.private import write_private
from muster_core.exports.writer import RowFeed
from muster_core.kernel.project import Projection
from muster_core.lake.conversion import arrow_type
from muster_core.lake.exclusion import Erased, Exclusion
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile, Pointer, StoreFile
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store, verify
from muster_core.rules.document import SegmentDocument
from muster_core.security.erasure import ErasedCustomer
from muster_core.spelling import nearest_names

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What decides a version's extra columns: the document it was evaluated by, and when."""

    document: SegmentDocument
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList:
    """One version's members, opened from its snapshot and its matrix."""

    store: Store
    matrix: Matrix
    bit: int
    #: The segment's extra output columns; None where it has none.
    projection: Projection | None = None
    #: Who is left out though they are members.
    exclusions: tuple[Exclusion, ...] = ()
    #: Members by partition once they were read, eight to a byte: they are counted before they are told.
    _read: dict[int, NDArray[np.uint8]] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def open(
        cls,
        lake: Lake,
        snapshot: str,
        sha256: str,
        pointer: Pointer,
        output: Output | None = None,
    ) -> MemberList:
        """Open the members `pointer` names, over the snapshot whose manifest is `snapshot`.

        Raises:
            StoreDamaged: a manifest is missing or not the one named, or the two do not belong together.
            InvalidInput: the extra columns of `output` do not fit the snapshot's catalog.
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
        projection = None
        if output is not None and output.document.project:
            projection = Projection.compile(output.document, store.manifest.catalog, output.as_of)
        return cls(store=store, matrix=matrix, bit=pointer.bit, projection=projection)

    def excluding(self, *exclusions: Exclusion) -> MemberList:
        """Return the same members without whom these leave out."""
        return replace(self, exclusions=(*self.exclusions, *exclusions))

    @property
    def key(self) -> str:
        """Return the name of the column with the customer key."""
        return self.store.manifest.catalog.key

    @property
    def extra(self) -> list[str]:
        """Return the names of the segment's extra output columns, in the order of its document."""
        return list(self.projection.columns) if self.projection else []

    def kind(self, name: str) -> ColumnType:
        """Return the type of a column: of the profile, else an extra one."""
        if self.projection is not None and name in self._projected([name]):
            return self.projection.kind(name)
        return parse_type(self.store.manifest.columns[name])

    def verify(
        self, pause: Callable[[], None] | None = None, *, columns: Sequence[str] = ()
    ) -> None:
        """Check every file that reading `columns` reads from, byte for byte, against its manifest.

        `pause` is called between files and may raise to stop.

        Raises:
            StoreDamaged: a file is missing or is not the one that was written.
        """
        entries: list[MatrixFile | StoreFile] = [
            *self.matrix.manifest.files,
            *self.store.manifest.profile,
            *self._related_files(self._projected(columns)),
            *(file for exclusion in self.exclusions for file in exclusion.files(self.store)),
        ]
        for entry in entries:
            verify(self.store.lake, entry)
            if pause is not None:
                pause()

    def count(self, search: str = "") -> int:
        """Return the number of members whose key holds `search`, without those who are left out."""
        numbers = range(self.store.manifest.partitions)
        return sum(int(self._found(number, search).sum()) for number in numbers)

    def published(self) -> int:
        """Return the number of members that exist in the snapshot, whoever is left out."""
        return sum(int(self._published(p).sum()) for p in range(self.store.manifest.partitions))

    def shown(self, columns: Sequence[str]) -> list[str]:
        """Return `columns`, then the segment's extra columns that are not among them."""
        return list(dict.fromkeys([*columns, *self.extra]))

    def schema(self, columns: Sequence[str]) -> Any:
        """Return the Arrow schema of `batches`: the key, then `columns`.

        Raises:
            InvalidInput: neither the snapshot's profile nor the segment's extra columns have one of them.
        """
        names = self._names(columns)
        known = [*self.store.manifest.columns, *self.extra]
        if missing := [name for name in names if name not in known]:
            lead = f"The profile of this version has no column {', '.join(missing)}"
            near = sorted({n for name in missing for n in nearest_names(name, known)})
            hint = f"It has {', '.join(near)}." if near else f"It has {', '.join(known)}."
            raise InvalidInput([Problem(message=lead, hint=hint)], lead)
        return pa.schema([pa.field(n, arrow_type(self.kind(n))) for n in names])

    def batches(self, columns: Sequence[str], *, skip: int = 0, search: str = "") -> Iterator[Any]:
        """Yield the members after the first `skip`, key first; whole partitions are skipped unread.

        With `search` only those whose key, as text, holds it.
        """
        for table in self.tables(columns, skip=skip, search=search):
            yield from table.to_batches(max_chunksize=BATCH_ROWS)

    def tables(self, columns: Sequence[str], *, skip: int = 0, search: str = "") -> Iterator[Any]:
        """Yield what `batches` yields as one table for each partition that has members."""
        schema = self.schema(columns)
        for number in range(self.store.manifest.partitions):
            bits = self._found(number, search)
            members = int(bits.sum())
            if members <= skip:
                skip -= members
                continue
            table = self._table(number, bits, schema)
            if table.num_rows > skip:
                yield table.slice(skip)
            skip = 0

    def rows(self, number: int, chosen: NDArray[np.bool_], columns: Sequence[str]) -> Any:
        """Return any customers of one partition, in ordinal order, key first; `chosen` has one bit for each."""
        return self._table(number, chosen, self.schema(columns))

    def bits(self, number: int) -> NDArray[np.bool_]:
        """Return who is a member and alive, and not left out."""
        found = self._published(number)
        for exclusion in self.exclusions:
            found &= ~exclusion.mask(self.store, number)
        return found

    def _published(self, number: int) -> NDArray[np.bool_]:
        """Return who is a member and alive; a matrix older than the snapshot has no bit for the newest."""
        partition = self.store.partition(number)
        if number in self._read:
            read = np.unpackbits(self._read[number], count=partition.size)
            return read.astype(np.bool_)
        alive = partition.alive()
        bits = self.matrix.bits(self.bit, number)[: len(alive)]
        alive_members = alive.copy()
        alive_members[: len(bits)] &= bits
        alive_members[len(bits) :] = False
        self._read[number] = np.packbits(alive_members)
        return alive_members

    def _found(self, number: int, search: str) -> NDArray[np.bool_]:
        bits = self.bits(number)
        if not search or not bits.any():
            return bits
        keys = self.store.partition(number).profile([self.key])[self.key].cast(pa.string())
        held = pc.match_substring(keys, search).fill_null(False)
        chosen: NDArray[np.bool_] = held.combine_chunks().to_numpy(zero_copy_only=False)
        return bits & chosen

    def _table(self, number: int, bits: NDArray[np.bool_], schema: Any) -> Any:
        """Return the members of one partition, in ordinal order."""
        partition = self.store.partition(number)
        extra = self._projected(schema.names)
        stored = [name for name in schema.names if name not in extra]
        # as it is written: a dictionary of texts that are all different would cost more than the texts
        found = dict(partition.profile(stored, coded=False))
        if not bits.all():
            chosen = pa.array(bits, pa.bool_())
            found = {name: values.filter(chosen) for name, values in found.items()}
        if self.projection is not None and extra:
            found |= self.projection.values(partition, bits, extra)
        cells = [
            _readable(found[name], kind)
            for name, kind in zip(schema.names, schema.types, strict=True)
        ]
        return pa.table(cells, schema)

    def _projected(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that are extra columns and not the profile's own."""
        extra = set(self.extra) - self.store.manifest.columns.keys()
        return [name for name in names if name in extra]

    def _related_files(self, extra: Sequence[str]) -> list[StoreFile]:
        """Return the files of related tables and dimensions that these columns are computed from."""
        if self.projection is None:
            return []
        manifest = self.store.manifest
        tables = [manifest.tables[name] for name in sorted(self.projection.tables(extra))]
        dimensions = sorted(self.projection.dimensions(extra))
        return [
            *(file for table in tables for file in table.files),
            *(manifest.dimensions[name].file for name in dimensions),
        ]

    def _names(self, columns: Sequence[str]) -> list[str]:
        return [self.key, *(name for name in columns if name != self.key)]


def first_members(
    lake: Lake,
    snapshot: str,
    snapshot_sha256: str,
    pointer: Pointer,
    columns: Sequence[str],
    *,
    limit: int,
    skip: int = 0,
    search: str = "",
    output: Output | None = None,
    erased: Sequence[ErasedCustomer] = (),
) -> Any:
    """Return an Arrow table of at most `limit` members after the first `skip`, for people to look at.

    With `search` only those whose key holds it; customers who were `erased` are left out.
    The extra columns of `output` follow `columns`.
    """
    members = MemberList.open(lake, snapshot, snapshot_sha256, pointer, output)
    members = members.excluding(Erased(erased))
    wanted = members.shown(columns)
    schema = members.schema(wanted)
    feed = RowFeed(members.batches(wanted, skip=skip, search=search))
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
    output: Output | None = None,
    erased: Sequence[ErasedCustomer] = (),
) -> int:
    """Write all members to one new file at `path`, complete or not at all, and return how many.

    The extra columns of `output` follow `columns`; customers who were `erased` are left out.

    Raises:
        StoreDamaged: a file of the lake does not match its manifest.
        NoSpace: the disk is full.
        TargetUnavailable: the folder of `path` does not take files.
    """
    members = MemberList.open(lake, snapshot, snapshot_sha256, pointer, output)
    members = members.excluding(Erased(erased))
    wanted = members.shown(columns)
    schema = members.schema(wanted)
    members.verify(columns=wanted)
    feed = RowFeed(members.batches(wanted))
    return write_private(path, schema, feed.read(), form=form, raw=raw)


def _readable(column: Any, kind: Any) -> Any:
    """Return `column` as `kind`, text as valid UTF-8; what is not valid becomes U+FFFD."""
    column = column.cast(kind)
    if not (pa.types.is_string(kind) or pa.types.is_list(kind)):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        # Rare, so per value: only in a partition whose source holds broken text.
        return pa.array([_mended(value) for value in column.cast(_bytes(kind)).to_pylist()], kind)
    return column


def _bytes(kind: Any) -> Any:
    """Return a type of text, or of lists of it, with bytes instead."""
    if pa.types.is_list(kind):
        return pa.list_(_bytes(kind.value_type))
    return pa.binary() if pa.types.is_string(kind) else kind


def _mended(value: Any) -> Any:
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value
