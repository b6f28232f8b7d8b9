"""One delivery: the members of one version into one target, resumable file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa

from muster_core.errors import StoreDamaged
from muster_core.exports.claim import Chunk, ClaimedDelivery
from muster_core.exports.document import ExportDocument, layout, parse_export
from muster_core.exports.manifest import (
    DeliveredColumn,
    DeliveredFile,
    ExportManifest,
    Latest,
    StaleReference,
    csv_dialect,
    instant,
)
from muster_core.exports.naming import MANIFEST_NAME, chunk_name, version_folder
from muster_core.exports.writer import RowFeed, write_file
from muster_core.lake.location import Lake
from muster_core.lake.members import MemberList, Output
from muster_core.rules.document import parse_segment
from muster_core.runs.input import UsedSegment
from muster_exporter.sinks.folder import FolderSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the destination holds now; `size` is in bytes, without the manifest."""

    rows: int
    size: int
    files: int
    location: str
    #: Files that were there already, with the bytes they must have.
    kept: int


def deliver(
    claim: ClaimedDelivery,
    *,
    lake: Lake,
    check: Callable[[], None],
    acknowledge: Callable[[Chunk], None],
) -> Receipt:
    """Bring the version to its target and return the receipt.

    Safe to repeat: names and bytes are functions of the export and the version, files acknowledged before
    and still whole are kept, and the manifest comes last.

    Args:
        claim: what to deliver.
        lake: where the members are.
        check: raises when the work must stop; called before anything gets its final name.
        acknowledge: records a file that has arrived.

    Raises:
        StoreDamaged: a file of the lake is not what its manifest says; nothing was sent.
        TerminalError: the document does not fit the version.
        TargetUnavailable: the target does not take files.
        NoSpace: the target is full.
    """
    document = parse_export(claim.document)
    output = Output(document=parse_segment(claim.definition), as_of=claim.as_of)
    members = MemberList.open(lake, claim.snapshot, claim.snapshot_sha256, claim.pointer, output)
    order = _Order.of(document, members)
    _verify(claim, members, order, check)
    parts = version_folder(claim.export, claim.segment, claim.version)
    with FolderSink(document.connection.path, parts, fence=claim.fence) as sink:
        sink.remove_stale()
        files, kept = _send_files(claim, order, members, sink, check, acknowledge)
        check()
        sink.keep_only(frozenset(file.name for file in files))
        data = _manifest(claim, order, files).encode()
        sink.write_manifest(data)
        latest = Latest(
            segment_version=claim.version,
            manifest=f"{parts[-1]}/{MANIFEST_NAME}",
            manifest_sha256=sha256(data).hexdigest(),
        )
        check()
        sink.point_latest(latest)
        return Receipt(
            rows=claim.member_count,
            size=sum(file.size for file in files),
            files=len(files),
            location=sink.location,
            kept=kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """The document made concrete for one version: which of its columns, under which names."""

    document: ExportDocument
    columns: list[DeliveredColumn]
    schema: Any

    @classmethod
    def of(cls, document: ExportDocument, members: MemberList) -> _Order:
        pairs = layout(document, members.key, members.extra)
        found = members.schema([column for _, column in pairs])
        return cls(
            document=document,
            columns=[
                DeliveredColumn(name=name, column=column, type=str(members.kind(column)))
                for name, column in pairs
            ],
            schema=pa.schema([pa.field(name, found.field(column).type) for name, column in pairs]),
        )

    @property
    def wanted(self) -> list[str]:
        """Return the columns to read, each once."""
        return list(dict.fromkeys(column.column for column in self.columns))

    def arrange(self, batch: Any) -> Any:
        """Return the columns of `batch` as they are delivered."""
        return pa.RecordBatch.from_arrays(
            [batch.column(column.column) for column in self.columns], schema=self.schema
        )


def _verify(
    claim: ClaimedDelivery, members: MemberList, order: _Order, check: Callable[[], None]
) -> None:
    members.verify(check, columns=order.wanted)
    if members.count() != claim.member_count:
        raise StoreDamaged("The matrix does not hold the number of members that was published.")


def _send_files(
    claim: ClaimedDelivery,
    order: _Order,
    members: MemberList,
    sink: FolderSink,
    check: Callable[[], None],
    acknowledge: Callable[[Chunk], None],
) -> tuple[list[DeliveredFile], int]:
    """Send what is not there yet and return all files, and how many were there."""
    per_file = order.document.rows_per_file
    known = {chunk.number: chunk for chunk in claim.chunks}
    files: list[DeliveredFile] = []
    kept = 0
    feed: RowFeed | None = None
    # An empty segment is one file with no rows: consumers still see its columns.
    for number in range(max(1, -(-claim.member_count // per_file))):
        name = chunk_name(number, order.document.format)
        rows = min(per_file, claim.member_count - number * per_file)
        there = _delivered(known.get(number), name, rows)
        if there is not None and sink.holds(there):
            files.append(there)
            kept += 1
            feed = None
            continue
        if feed is None:
            batches = members.batches(order.wanted, skip=number * per_file)
            feed = RowFeed(order.arrange(batch) for batch in batches)
        sent = _send_file(order, sink, name, _watched(feed.read(rows), check), check)
        if sent.rows != rows:
            raise StoreDamaged("The members ended before their published number.")
        acknowledge(Chunk(number=number, name=name, rows=rows, bytes=sent.size, sha256=sent.sha256))
        files.append(sent)
    return files, kept


def _send_file(
    order: _Order,
    sink: FolderSink,
    name: str,
    groups: Iterable[Any],
    check: Callable[[], None],
) -> DeliveredFile:
    document = order.document
    with sink.stage(name) as staged:
        rows = write_file(staged, order.schema, groups, form=document.format, raw=document.raw)
        check()
    return DeliveredFile(name=name, rows=rows, size=staged.size, sha256=staged.sha256)


def _watched(groups: Iterable[Any], check: Callable[[], None]) -> Iterator[Any]:
    for group in groups:
        check()
        yield group


def _delivered(chunk: Chunk | None, name: str, rows: int) -> DeliveredFile | None:
    """Return an acknowledged file, unless it was cut or named by another definition."""
    if chunk is None or (chunk.name, chunk.rows) != (name, rows):
        return None
    return DeliveredFile(name=name, rows=rows, size=chunk.bytes, sha256=chunk.sha256)


def _manifest(claim: ClaimedDelivery, order: _Order, files: list[DeliveredFile]) -> ExportManifest:
    document = order.document
    return ExportManifest(
        export=claim.export,
        segment=claim.segment,
        segment_version=claim.version,
        as_of=instant(claim.as_of),
        published_at=instant(claim.published_at),
        members=claim.member_count,
        stale_references=[_stale(used) for used in claim.stale],
        columns=order.columns,
        file_format=document.format,
        csv_dialect=csv_dialect(document.format, raw=document.raw),
        rows_per_file=document.rows_per_file,
        files=files,
    )


def _stale(used: UsedSegment) -> StaleReference:
    return StaleReference(
        segment=used.segment,
        version=used.version,
        published_at=None if used.published_at is None else instant(used.published_at),
        age_seconds=used.age_seconds,
        reason=str(used.reason),
    )
