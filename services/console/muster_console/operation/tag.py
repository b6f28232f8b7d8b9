"""Tags, managed for all segments at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from muster_console.operation import edit
from muster_console.operation.change import Change, change_segments
from muster_console.operation.listing import SegmentFilter, find_segments
from muster_console.operation.remote import over
from muster_console.operation.result import SegmentResult
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace
from muster_core.errors import NotFound
from muster_core.spelling import name_hint


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLine:
    """A tag and how many segments have it."""

    name: str
    segments: int


@over("GET", "/tags")
def list_tags(workspace: Workspace) -> list[TagLine]:
    """Return every tag that a segment has, by name."""
    found = Counter(tag for line in list_segments(workspace) for tag in line.tags)
    return [TagLine(name=name, segments=found[name]) for name in sorted(found, key=str.casefold)]


@over("POST", "/tags/rename", at="results")
def rename_tag(workspace: Workspace, name: str, new_name: str) -> list[SegmentResult]:
    """Give a tag another name on every segment that has it; return a result for each of these.

    Raises:
        NotFound: no segment has it.
        InvalidInput: one of the names cannot be a tag.
    """
    return _change(workspace, name, edit.rename_tag(name, new_name))


@over("POST", "/tags/delete", at="results")
def delete_tag(workspace: Workspace, name: str) -> list[SegmentResult]:
    """Take a tag off every segment that has it; return a result for each of these.

    Raises:
        NotFound: no segment has it.
    """
    return _change(workspace, name, edit.tag(remove=[name]))


def _change(workspace: Workspace, name: str, change: Change) -> list[SegmentResult]:
    names = [line.name for line in find_segments(workspace, SegmentFilter(tag=name))]
    if not names:
        known = [tag.name for tag in list_tags(workspace)]
        raise NotFound(
            f"No segment has the tag `{name}`.",
            hint=name_hint(name, known, "`muster tag list` shows all."),
        )
    return change_segments(workspace, names, change)
