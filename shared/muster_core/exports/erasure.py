"""What an erasure does at each destination, as people read it afterwards: the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster_core.exports.document import ExportDocument


class How(StrEnum):
    """What is done at a destination."""

    #: The files of a version are written again without the customer.
    REWRITE = "rewrite"
    #: The destination is told, or its rows are deleted.
    REMOVAL = "removal"


class PartState(StrEnum):
    """How far one destination is."""

    PENDING = "pending"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"


#: Nothing more happens to these by itself.
ENDED = frozenset({PartState.ACKNOWLEDGED, PartState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePart:
    """One destination of a receipt."""

    export: str
    #: The connection's name, or the folder.
    destination: str
    kind: str
    how: How
    state: PartState
    #: What it held: numbers of versions by segment.
    versions: Mapping[str, list[int]]
    sent_at: datetime | None
    acknowledged_at: datetime | None
    #: How many rows it removed, where that is known.
    rows: int | None
    location: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of one erasure; the customer stands nowhere in it."""

    id: int
    requested_at: datetime
    requested_by: str
    #: Rows that a destination had refused and that were kept aside.
    refused_rows: int
    parts: tuple[ErasurePart, ...]
    #: Segments whose documents name the key still, now; nobody but their owners changes those.
    listed_in: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Return `open`, `complete`, or `failed` where a destination was not reached in the end."""
        states = {part.state for part in self.parts}
        if states - ENDED:
            return "open"
        return "failed" if PartState.FAILED in states else "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRemoval:
    """A removal in an exporter's hands."""

    id: int
    fence: int
    attempt: int
    max_attempts: int
    erasure: int
    requested_at: datetime
    digest: bytes
    #: The customer's key, sealed.
    sealed: str
    document: ExportDocument
    connection_id: int | None


def removal_name(erasure: int) -> str:
    """Return what a removal is called at its destination: the same at every attempt."""
    return f"erasure={erasure}"


def changes_rows(document: Mapping[str, Any]) -> bool:
    """Whether a stored export tells its destination of changes, and so of removals, too."""
    return document.get("mode") in ("changes", "upsert")
