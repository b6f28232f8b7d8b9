"""What each action does to a segment's document: pure functions from the stored document to the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster_console.operation.change import Change
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.rules.check import UNREADABLE_NAME, UNREADABLE_TAG, readable_name, readable_tag
from muster_core.rules.document import CLEANUP_TAG
from muster_core.schedules.schedule import read_schedule


def activate() -> Change:
    """Let segments be refreshed; what automatic clean-up put on them goes."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        return _without_tags(_with(document, "state", "active", left_out="active"), {CLEANUP_TAG})

    return Change(edit=edit, action="segment.activated", detail={})


def deactivate() -> Change:
    """Let segments keep their definition and their last members, and be refreshed no more."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        if document.get("state") == "draft":
            raise Conflict("It is a draft, which is never refreshed anyway.")
        return _with(document, "state", "inactive", left_out="active")

    return Change(edit=edit, action="segment.deactivated", detail={})


def make(type_: str) -> Change:
    """Make segments ``static``, refreshed by hand only, or ``dynamic`` again."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        before = document.get("type", "dynamic")
        if before == "expansion":
            raise Conflict("It was found by likeness to another segment, and stays of that type.")
        return _with(document, "type", type_, left_out="dynamic")

    return Change(edit=edit, action=f"segment.made_{type_}", detail={})


def rename(display_name: str | None) -> Change:
    """Give segments another display name, or none; the name itself is fixed.

    Raises:
        InvalidInput: it holds control characters.
    """
    if not readable_name(display_name or ""):
        raise _wrong(UNREADABLE_NAME)

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in document.items() if key != "display_name"}
        return rest if display_name is None else {**rest, "display_name": display_name}

    return Change(edit=edit, action="segment.renamed", detail={"display_name": display_name})


def tag(add: Sequence[str] = (), remove: Sequence[str] = ()) -> Change:
    """Put tags on segments, and take others off; what is added and removed stays.

    Raises:
        InvalidInput: a tag cannot be one.
    """
    check_tags([*add, *remove])
    if CLEANUP_TAG in add:
        raise _wrong(f"the tag {CLEANUP_TAG} is put on by automatic clean-up only")

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        tags = document.get("tags", [])
        added = [*tags, *(name for name in dict.fromkeys(add) if name not in tags)]
        return _without_tags({**document, "tags": added}, set(remove) - set(add))

    return Change(
        edit=edit, action="segment.tagged", detail={"added": list(add), "removed": list(remove)}
    )


def rename_tag(before: str, after: str) -> Change:
    """Give a tag another name where it is; where both are, one stays.

    Raises:
        InvalidInput: one of the two cannot be a tag.
    """
    check_tags([before, after])
    if CLEANUP_TAG in (before, after):
        raise _wrong(f"the tag {CLEANUP_TAG} belongs to automatic clean-up")

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        tags = [after if name == before else name for name in document.get("tags", [])]
        return {**document, "tags": list(dict.fromkeys(tags))}

    return Change(
        edit=edit, action="segment.tagged", detail={"added": [after], "removed": [before]}
    )


def schedule(written: str | Mapping[str, Any]) -> Change:
    """Refresh segments ``system`` (with the system refresh), ``off`` (never), or by ``{cron, timezone}``.

    Raises:
        InvalidInput: it is none of these.
    """
    # a cron without zone is in the segment's, else the catalog's; here only its form counts
    read_schedule(written)
    kept = written if isinstance(written, str) else dict(written)

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        return _with(document, "schedule", kept, left_out="system")

    return Change(edit=edit, action="segment.scheduled", detail={"schedule": kept})


def clean_up(allowed: bool) -> Change:
    """Exempt segments from automatic clean-up, or let it look at them again."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        return _with(document, "auto_cleanup", allowed, left_out=True)

    action = "segment.cleanup_allowed" if allowed else "segment.cleanup_exempted"
    return Change(edit=edit, action=action, detail={})


def check_tags(tags: Sequence[str]) -> None:
    """Look whether each can be a tag.

    Raises:
        InvalidInput: one is empty, too long, or has characters that cannot be seen.
    """
    for name in tags:
        if not readable_tag(name):
            raise _wrong(UNREADABLE_TAG)


def _with(document: dict[str, Any], field: str, value: Any, *, left_out: Any) -> dict[str, Any]:
    """Return the document with a field; what it says already, by leaving it out, it goes on leaving out."""
    return document if document.get(field, left_out) == value else {**document, field: value}


def _without_tags(document: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    before = document.get("tags", [])
    tags = [name for name in before if name not in gone]
    if (tags and tags == before) or "tags" not in document:
        return document
    rest = {key: value for key, value in document.items() if key != "tags"}
    return {**rest, "tags": tags} if tags else rest


def _wrong(message: str) -> InvalidInput:
    return InvalidInput([Problem(message=message)])
