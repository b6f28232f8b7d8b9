"""One version with its columns, made concrete for one delivery: what is sent, whatever the destination is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.errors import NothingToSuppress, StoreDamaged
from muster_core.exports.claim import ClaimedDelivery, NeverSent, Operation, Refused
from muster_core.exports.document import (
    OPERATION,
    ExportDocument,
    Mode,
    layout,
    parse_export,
    transforms,
)
from muster_core.exports.manifest import DeliveredColumn
from muster_core.exports.transform import transformed
from muster_core.exports.writer import RowFeed
from muster_core.lake.exclusion import Erased, Exclusion, HeldOut, Suppressed
from muster_core.lake.location import Lake
from muster_core.lake.members import BATCH_ROWS, MemberList, Output
from muster_core.rules.document import parse_segment
from muster_core.security.erasure import ErasedCustomer
from muster_exporter.ahead import read_ahead
from muster_exporter.change import Difference

#: Rows that are made into messages at once: about one message's, so that the first is sent soon.
_PLACED_ROWS = 4_096
#: Where a row stands in the store, partition and ordinal, and its operation; one for each row, so no class.
Place = tuple[int, int, str]
#: Names of the columns with a row's place in the store; no column of an export can have them.
_PARTITION, _ORDINAL = "\x00partition", "\x00ordinal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the destination holds now; `size` is in bytes, without the manifest."""

    rows: int
    size: int
    files: int
    location: str
    #: Files or messages that were there already, with the bytes they must have.
    kept: int


@dataclass(frozen=True, kw_only=True)
class Version:
    """The document made concrete for one version: which of its columns, under which names."""

    claim: ClaimedDelivery
    document: ExportDocument
    members: MemberList
    #: What is told where only changes are; None where every member is.
    difference: Difference | None
    columns: list[DeliveredColumn]
    #: The Arrow schema of the rows, with the names they are delivered under; the customer key is first.
    schema: Any

    @classmethod
    def open(
        cls,
        claim: ClaimedDelivery,
        document: ExportDocument,
        lake: Lake,
        erased: Sequence[ErasedCustomer] = (),
    ) -> Version:
        """Open the members of a claimed delivery, without customers who were `erased`.

        Raises:
            StoreDamaged: a manifest of the lake is missing or is not the one named.
            InvalidInput: the version does not have a column of the document.
            NothingToSuppress: a segment that is never sent has no published members.
        """
        output = Output(document=parse_segment(claim.definition), as_of=claim.as_of)
        members = MemberList.open(
            lake, claim.snapshot, claim.snapshot_sha256, claim.pointer, output
        )
        members = leave_out(members, document, claim.never_sent, erased)
        pairs = layout(document, members.key, members.extra)
        # a column may be delivered twice, as it is and in another form
        found = members.schema(list(dict.fromkeys(column for _, column in pairs)))
        fields = [pa.field(name, found.field(column).type) for name, column in pairs]
        if document.mode is not None and document.mode.tells_changes:
            fields.insert(1, pa.field(OPERATION, pa.string()))
        return cls(
            claim=claim,
            document=document,
            members=members,
            difference=_difference(claim, document, members, pairs, lake, erased),
            columns=[
                _delivered_column(document, name, column, str(members.kind(column)))
                for name, column in pairs
            ],
            schema=pa.schema(fields),
        )

    @property
    def mode(self) -> Mode:
        """Return what the delivery tells; where nothing else is said, all members."""
        return self.document.mode or Mode.FULL

    @property
    def basis(self) -> int | None:
        """Return the version that the changes stand on; None where every member is told."""
        basis = self.claim.basis
        return None if self.difference is None or basis is None else basis.version

    @cached_property
    def told(self) -> int:
        """Return how many members the destination is to know: all but those who are left out."""
        return self.members.count() if self.members.exclusions else self.claim.member_count

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Return how many rows there are of each operation."""
        if self.difference is None:
            return {
                Operation.ADD: self.told,
                Operation.UPDATE: 0,
                Operation.REMOVE: 0,
            }
        found: Counter[str] = Counter()
        for number in range(self.members.store.manifest.partitions):
            found.update(self.difference.partition(number).operations)
        return {operation: found[operation] for operation in Operation}

    @property
    def rows(self) -> int:
        """Return how many rows the delivery has."""
        return sum(self.counts.values())

    def verify(self, check: Callable[[], None]) -> None:
        """Compare every file that is read with its checksum, and the members with their published number.

        Raises:
            StoreDamaged: something is not what was published.
        """
        self.members.verify(check, columns=self._wanted)
        if self.members.published() != self.claim.member_count:
            raise StoreDamaged("The matrix does not hold the number of members that was published.")
        if self.difference is not None:
            self.difference.before.verify(check, columns=self._wanted)

    def feed(self, skip: int = 0) -> RowFeed:
        """Return the rows after the first `skip`, as they are delivered."""
        if not self.mode.tells_changes:
            tables = read_ahead(self.members.tables(self._wanted, skip=skip))
            batches = (b for table in tables for b in table.to_batches(max_chunksize=BATCH_ROWS))
            return RowFeed(self._arrange(batch) for batch in batches)
        return RowFeed(b.select(self.schema.names) for b in _after(self._changes(), skip))

    def groups(self, check: Callable[[], None], skip: int = 0) -> Iterator[Any]:
        """Yield tables of all rows after the first `skip`; `check` may raise between them."""
        for group in self.feed(skip).read():
            check()
            yield group

    def placed(self, check: Callable[[], None], skip: int = 0) -> Iterator[tuple[Any, list[Place]]]:
        """Yield what `groups` yields in smaller tables, with the place of each row."""
        for batch in _after(self._changes(_PLACED_ROWS), skip):
            check()
            kinds = (
                batch.column(OPERATION).to_pylist()
                if self.mode.tells_changes
                else [str(Operation.ADD)] * batch.num_rows
            )
            partitions, ordinals = (batch.column(n).to_pylist() for n in (_PARTITION, _ORDINAL))
            places = list(zip(partitions, ordinals, kinds, strict=True))
            yield pa.Table.from_batches([batch.select(self.schema.names)]), places

    @property
    def _wanted(self) -> list[str]:
        """Return the columns to read, each once; the customer key is first."""
        return list(dict.fromkeys(column.column for column in self.columns))

    def _changes(self, batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
        """Yield every row with its operation, where it is told, and its place."""
        for number in range(self.members.store.manifest.partitions):
            if self.difference is None:
                chosen = self.members.bits(number)
                table = self.members.rows(number, chosen, self._wanted)
                ordinals = np.flatnonzero(chosen)
                kinds: Any = pa.repeat(pa.scalar(str(Operation.ADD)), table.num_rows)
            else:
                found = self.difference.partition(number)
                table, ordinals = found.table, found.ordinals
                kinds = pa.array([str(kind) for kind in found.operations], pa.string())
            cells = [self._cell(table, column) for column in self.columns]
            names = [column.name for column in self.columns]
            if self.mode.tells_changes:
                cells.insert(1, kinds)
                names.insert(1, OPERATION)
            places = [pa.repeat(pa.scalar(number), table.num_rows), pa.array(ordinals, pa.int64())]
            yield from pa.table([*cells, *places], [*names, _PARTITION, _ORDINAL]).to_batches(
                max_chunksize=batch_rows
            )

    def _arrange(self, batch: Any) -> Any:
        return pa.RecordBatch.from_arrays(
            [self._cell(batch, column) for column in self.columns], schema=self.schema
        )

    def _cell(self, rows: Any, column: DeliveredColumn) -> Any:
        """Return a column as it is delivered."""
        return transformed(
            rows.column(column.column), normalise=column.normalise, hashing=column.hash
        )


def leave_out(
    members: MemberList,
    document: ExportDocument,
    never_sent: Sequence[NeverSent],
    erased: Sequence[ErasedCustomer],
) -> MemberList:
    """Return the members without whom the export never sends.

    Raises:
        NothingToSuppress: a segment that is never sent has no published members.
        StoreDamaged: its members cannot be told.
    """
    found: list[Exclusion] = [Erased(erased)] if erased else []
    for segment in never_sent:
        if segment.pointer is None:
            raise NothingToSuppress(
                f"The segment `{segment.segment}` is never sent, and who belongs to it is not known.",
                hint="Refresh it, or take it out of `suppress`; then `muster export deliver NAME`.",
            )
        found.append(Suppressed.open(members.store, segment.segment, segment.pointer))
    if document.holdout is not None:
        name = document.holdout.name or document.name
        found.append(HeldOut(share=document.holdout.percent / 100, name=name))
    return members.excluding(*found)


def _delivered_column(
    document: ExportDocument, name: str, column: str, kind: str
) -> DeliveredColumn:
    form = transforms(document).get(name)
    return DeliveredColumn(
        name=name,
        column=column,
        type=kind,
        normalise=None if form is None else form.normalise,
        hash=None if form is None else form.hash_,
    )


def _difference(
    claim: ClaimedDelivery,
    document: ExportDocument,
    members: MemberList,
    pairs: list[tuple[str, str]],
    lake: Lake,
    erased: Sequence[ErasedCustomer],
) -> Difference | None:
    """Return the way from what the destination holds; None where it cannot be told row by row.

    That is so where it holds nothing, or other columns, or where customers were numbered anew since.
    """
    basis = claim.basis
    if basis is None:
        return None
    output = Output(document=parse_segment(basis.definition), as_of=basis.as_of)
    before = MemberList.open(lake, basis.snapshot, basis.snapshot_sha256, basis.pointer, output)
    if before.store.manifest.generation != members.store.manifest.generation:
        return None
    earlier = parse_export(basis.document)
    if layout(earlier, before.key, before.extra) != pairs:
        return None
    if transforms(earlier) != transforms(document):
        return None
    if any(segment.pointer is None for segment in basis.never_sent):
        return None  # who was left out then is no longer known
    before = leave_out(before, earlier, basis.never_sent, erased)
    columns = list(dict.fromkeys(column for _, column in pairs))
    if before.schema(columns) != members.schema(columns):
        return None
    refused: dict[int, list[Refused]] = {}
    for row in basis.refused:
        refused.setdefault(row.partition, []).append(row)
    return Difference(
        now=members,
        before=before,
        columns=columns,
        refused=refused,
        removals=document.mode is Mode.CHANGES,
        erased=Erased(erased),
    )


def _after(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    """Yield the batches without their first `skip` rows."""
    for batch in batches:
        if batch.num_rows <= skip:
            skip -= batch.num_rows
            continue
        yield batch.slice(skip)
        skip = 0
