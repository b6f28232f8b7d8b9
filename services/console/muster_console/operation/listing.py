"""The list of segments and of deleted ones: searched, filtered by every column that groups them, sorted by any, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter

from muster_console.operation.page import Page, page_of, read_order
from muster_console.operation.remote import over
from muster_console.operation.segment import SegmentLine, list_segments
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.runs.status import Status
from muster_core.storage.database import transaction
from muster_core.storage.segment_life import DeletedSegment, deleted_segments

#: Every column of the list; each one can be sorted by.
COLUMNS = tuple(field.name for field in fields(SegmentLine))

#: What a filter may ask for, where that is one of a few words.
_WORDS = {
    "type": ("dynamic", "static", "expansion"),
    "state": ("active", "inactive", "draft"),
    "status": tuple(str(status) for status in Status),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFilter:
    """Which segments are meant; what is None or empty asks for nothing."""

    #: Part of the name or the display name, whatever the case.
    search: str = ""
    tag: str | None = None
    type: str | None = None
    state: str | None = None
    status: str | None = None
    #: The reason code of the status.
    reason: str | None = None
    #: Who created it: the whole name, with or without the word before it.
    owner: str | None = None

    def check(self) -> None:
        """Refuse words that no segment can have.

        Raises:
            InvalidInput: with every such word.
        """
        problems = [
            Problem(
                message=f"there is no such {name}",
                pointer=f"/query/{name}",
                hint=f"one of {', '.join(words)}",
            )
            for name, words in _WORDS.items()
            if getattr(self, name) not in (None, *words)
        ]
        if problems:
            raise InvalidInput(problems)

    @property
    def asks(self) -> bool:
        """Whether it leaves anything out at all."""
        return any(getattr(self, field.name) for field in fields(self))

    def takes(self, line: SegmentLine) -> bool:
        """Return whether a segment is meant."""
        return (
            self.search.casefold() in f"{line.name}\n{line.display_name or ''}".casefold()
            and (self.tag is None or self.tag in line.tags)
            and self.owner in (None, line.owner, (line.owner or "").partition(" ")[2])
            and all(
                getattr(self, name) in (None, getattr(line, name)) for name in (*_WORDS, "reason")
            )
        )


def find_segments(workspace: Workspace, wanted: SegmentFilter) -> list[SegmentLine]:
    """Return the segments that are meant, by name.

    Raises:
        InvalidInput: the filter holds words that no segment can have.
    """
    wanted.check()
    return [line for line in list_segments(workspace) if wanted.takes(line)]


def page_of_segments(
    workspace: Workspace,
    wanted: SegmentFilter,
    *,
    sort: str = "name",
    limit: int = 50,
    cursor: str | None = None,
) -> Page[SegmentLine]:
    """Return one page of the segments that are meant; `sort` is a column, with - the largest first.

    Raises:
        InvalidInput: the filter, the column or the cursor is none.
    """
    order = read_order(sort, COLUMNS)
    lines = find_segments(workspace, wanted)
    return page_of(lines, order, limit=limit, cursor=cursor, name=lambda line: line.name)


@over("GET", "/deleted-segments", read=lambda answer: [_deleted_of(one) for one in answer])
def list_deleted(workspace: Workspace) -> list[DeletedSegment]:
    """Return the segments that can be restored, by name."""
    with transaction(workspace.database) as connection:
        return deleted_segments(connection)


def _deleted_of(answer: Mapping[str, Any]) -> DeletedSegment:
    """Return a deleted segment as a server lists it: without its document, which no list shows."""
    found: DeletedSegment = TypeAdapter(DeletedSegment).validate_python({"document": {}, **answer})
    return found
