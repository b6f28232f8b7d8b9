"""A delivery in somebody's hands, and the files of it that have arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster_core.lake.manifest import Pointer
from muster_core.runs.input import UsedSegment


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One file the destination has acknowledged."""

    number: int
    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """Everything an exporter needs for one delivery, under one fence."""

    id: int
    fence: int
    attempt: int
    max_attempts: int
    exporter: str
    export: str
    segment: str
    version: int
    #: As stored; whoever delivers parses it, so that an unreadable one fails alone.
    document: Mapping[str, Any]
    #: The segment as the version was evaluated by it; its extra columns are delivered, too.
    definition: Mapping[str, Any]
    pointer: Pointer
    snapshot: str
    snapshot_sha256: str
    as_of: datetime
    published_at: datetime
    member_count: int
    #: What the version was computed from though it was not fresh.
    stale: tuple[UsedSegment, ...]
    chunks: tuple[Chunk, ...]
