"""A delivery in somebody's hands, and the files of it that have arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster_core.lake.manifest import Pointer
from muster_core.runs.input import UsedSegment
from muster_core.security.erasure import SealedErasure


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One file the destination has acknowledged."""

    number: int
    name: str
    rows: int
    bytes: int
    sha256: str


class Operation(StrEnum):
    """What becomes of a row at the destination."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that a destination did not take, by its place in the store; `reason` is one word."""

    partition: int
    ordinal: int
    operation: Operation
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverSent:
    """A version whose members an export never sends."""

    segment: str
    #: None where the segment has no published members: then nothing may be sent.
    pointer: Pointer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the destination acknowledged before: changes are told from there."""

    version: int
    document: Mapping[str, Any]
    definition: Mapping[str, Any]
    pointer: Pointer
    snapshot: str
    snapshot_sha256: str
    as_of: datetime
    #: Rows of it that the destination did not take.
    refused: tuple[Refused, ...]
    #: Whose members were left out of it.
    never_sent: tuple[NeverSent, ...] = ()


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
    #: The connection the export uses; None where it names its folder itself, or was detached.
    connection_id: int | None
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
    #: None where everything is told.
    basis: Basis | None
    #: How often an erasure took something out of the delivery after it had begun.
    edition: int = 0
    #: Every customer who was erased.
    erased: tuple[SealedErasure, ...] = ()
    #: Whose members are left out.
    never_sent: tuple[NeverSent, ...] = ()
