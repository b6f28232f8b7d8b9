"""The members of one version as files, resumable file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

from muster_core.errors import StoreDamaged
from muster_core.exports.claim import Chunk
from muster_core.exports.manifest import (
    DeliveredFile,
    ExportManifest,
    Latest,
    StaleReference,
    csv_dialect,
    instant,
)
from muster_core.exports.naming import MANIFEST_NAME, chunk_name, version_folder
from muster_core.exports.writer import RowFeed, write_file
from muster_core.runs.input import UsedSegment
from muster_exporter.sink import FileSink
from muster_exporter.version import Receipt, Version


def deliver_files(
    version: Version,
    *,
    open_sink: Callable[[tuple[str, ...]], FileSink],
    check: Callable[[], None],
    acknowledge: Callable[[Chunk], None],
) -> Receipt:
    """Bring the version to its target and return the receipt.

    Safe to repeat: names and bytes are functions of the export and the version, files acknowledged before
    and still whole are kept, and the manifest comes last.

    Args:
        version: what to deliver.
        open_sink: returns the place below these folders at the destination.
        check: raises when the work must stop; called before anything gets its final name.
        acknowledge: records a file that has arrived.

    Raises:
        StoreDamaged: a file of the lake is not what its manifest says; nothing was sent.
        TerminalError: the document does not fit the version.
        TargetUnavailable: the target does not take files now.
        TargetRefused: it does not let Muster in.
        NoSpace: the target is full.
    """
    claim = version.claim
    version.verify(check)
    parts = version_folder(claim.export, claim.segment, claim.version)
    with open_sink(parts) as sink:
        sink.remove_stale()
        files, kept = _send_files(version, sink, check, acknowledge)
        check()
        sink.keep_only(frozenset(file.name for file in files))
        data = _manifest(version, files).encode()
        sink.write_manifest(data)
        latest = Latest(
            segment_version=claim.version,
            manifest=f"{parts[-1]}/{MANIFEST_NAME}",
            manifest_sha256=sha256(data).hexdigest(),
        )
        check()
        sink.point_latest(latest)
        return Receipt(
            rows=version.rows,
            size=sum(file.size for file in files),
            files=len(files),
            location=sink.location,
            kept=kept,
        )


def _send_files(
    version: Version,
    sink: FileSink,
    check: Callable[[], None],
    acknowledge: Callable[[Chunk], None],
) -> tuple[list[DeliveredFile], int]:
    """Send what is not there yet and return all files, and how many were there."""
    claim, document = version.claim, version.document
    per_file = document.rows_per_file
    known = {chunk.number: chunk for chunk in claim.chunks}
    files: list[DeliveredFile] = []
    kept = 0
    feed: RowFeed | None = None
    # An empty segment is one file with no rows: consumers still see its columns.
    for number in range(max(1, -(-version.rows // per_file))):
        name = chunk_name(number, document.format)
        rows = min(per_file, version.rows - number * per_file)
        there = _delivered(known.get(number), name, rows)
        if there is not None and sink.holds(there):
            files.append(there)
            kept += 1
            feed = None
            continue
        if feed is None:
            feed = version.feed(skip=number * per_file)
        sent = _send_file(version, sink, name, _watched(feed.read(rows), check), check)
        if sent.rows != rows:
            raise StoreDamaged("The members ended before their published number.")
        acknowledge(Chunk(number=number, name=name, rows=rows, bytes=sent.size, sha256=sent.sha256))
        files.append(sent)
    return files, kept


def _send_file(
    version: Version,
    sink: FileSink,
    name: str,
    groups: Iterable[Any],
    check: Callable[[], None],
) -> DeliveredFile:
    document = version.document
    with sink.stage(name) as staged:
        rows = write_file(staged, version.schema, groups, form=document.format, raw=document.raw)
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


def _manifest(version: Version, files: list[DeliveredFile]) -> ExportManifest:
    claim, document = version.claim, version.document
    return ExportManifest(
        export=claim.export,
        segment=claim.segment,
        segment_version=claim.version,
        as_of=instant(claim.as_of),
        published_at=instant(claim.published_at),
        members=version.told,
        left_out=claim.member_count - version.told,
        stale_references=[_stale(used) for used in claim.stale],
        columns=version.columns,
        file_format=document.format,
        csv_dialect=csv_dialect(document.format, raw=document.raw),
        mode=version.mode,
        basis_version=version.basis,
        changes=dict(version.counts) if version.mode.tells_changes else None,
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
