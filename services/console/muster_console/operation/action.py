"""Actions on one or many segments, chosen by name or by a filter: every one tells what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster_console.operation import edit
from muster_console.operation.change import Change, change_segments, expected_record
from muster_console.operation.listing import SegmentFilter, find_segments
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.remote import over
from muster_console.operation.restore import restore_segments
from muster_console.operation.result import REFUSED, Results, SegmentResult
from muster_console.operation.workspace import Workspace, require_administrator
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.storage import audit
from muster_core.storage import segment as storage
from muster_core.storage import segment_life as life
from muster_core.storage.database import transaction
from muster_core.storage.reference import lock_saving

#: Segments of one call.
_MOST = 10_000


class Action(StrEnum):
    """What can be done to segments."""

    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    STATIC = "static"
    DYNAMIC = "dynamic"
    RENAME = "rename"
    TAG = "tag"
    SCHEDULE = "schedule"
    #: Leave them out of automatic clean-up, or let it look at them; for administrators.
    CLEANUP = "cleanup"
    REFRESH = "refresh"
    DELETE = "delete"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an action needs to know beside which segments; the others ignore it."""

    display_name: str | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    schedule: str | Mapping[str, Any] | None = None
    #: Whether automatic clean-up may make them inactive.
    auto_cleanup: bool = True
    #: Delete though something uses them.
    force: bool = False
    #: Evaluate as of this instant.
    as_of: datetime | None = None
    #: Revisions that segments must still have.
    expected: Mapping[str, int] = field(default_factory=dict)


_CHANGES: Mapping[Action, Callable[[Options], Change]] = {
    Action.ACTIVATE: lambda _: edit.activate(),
    Action.DEACTIVATE: lambda _: edit.deactivate(),
    Action.STATIC: lambda _: edit.make("static"),
    Action.DYNAMIC: lambda _: edit.make("dynamic"),
    Action.RENAME: lambda options: edit.rename(options.display_name),
    Action.TAG: lambda options: edit.tag(options.add_tags, options.remove_tags),
    Action.SCHEDULE: lambda options: edit.schedule(options.schedule or ""),
    Action.CLEANUP: lambda options: edit.clean_up(options.auto_cleanup),
}


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    options: Options = given["options"] or Options()
    body = {field.name: getattr(options, field.name) for field in fields(options)}
    body["as_of"] = None if options.as_of is None else options.as_of.isoformat()
    return {"action": str(given["action"]), "names": list(given["names"]), **body}


@over("POST", "/segments/actions", send=_body, at="results")
def act(
    workspace: Workspace, action: Action, names: Sequence[str], options: Options | None = None
) -> list[SegmentResult]:
    """Do something to each of the named segments; return a result for each, in their order.

    Raises:
        InvalidInput: what is asked for makes sense for no segment, or there are too many.
        NotPermitted: only administrators may do it.
    """
    options = options or Options()
    if len(names) > _MOST:
        raise InvalidInput([Problem(message=f"at most {_MOST} segments in one call")])
    if action is Action.CLEANUP:
        require_administrator(workspace, "exempt segments from clean-up")
    if action in _CHANGES:
        change = _CHANGES[action](options)
        return change_segments(workspace, names, change, expected=options.expected)
    if action is Action.REFRESH:
        return _refresh(workspace, names, options)
    if action is Action.RESTORE:
        return restore_segments(workspace, names)
    return _delete(workspace, names, options)


def chosen(
    workspace: Workspace, names: Sequence[str], wanted: SegmentFilter, *, everything: bool = False
) -> list[str]:
    """Return the names of the segments that are meant: those named, or those a filter takes.

    Raises:
        InvalidInput: neither is given, or both; the filter holds words that no segment can have.
    """
    if (bool(names), wanted.asks, everything).count(True) != 1:
        message = "name segments, or say by a filter which are meant, or say all: one of the three"
        raise InvalidInput([Problem(message=message)])
    return list(names) if names else [line.name for line in find_segments(workspace, wanted)]


def _refresh(workspace: Workspace, names: Sequence[str], options: Options) -> list[SegmentResult]:
    with transaction(workspace.database) as connection:
        records = {record.name: record for record in storage.list_segments(connection, names)}
        results = Results(connection)
        for name in dict.fromkeys(names):
            with results.of(name):
                record = expected_record(connection, records, name, options.expected)
                if record.state != "active":
                    raise Conflict(
                        f"The segment `{name}` is {_STATES[record.state]}.",
                        hint=f"Activate it first: `muster segment activate {name}`.",
                    )
                results.add(name, "requested")
    ready = [name for name, result in results.found.items() if not result.refused]
    # one that was switched off in between refuses them all, and the caller repeats
    asked = refresh_segments(workspace, ready, as_of=options.as_of) if ready else []
    runs = {run.name: run.run_id for run in asked}
    return [
        SegmentResult(name=name, outcome="requested", run_id=runs[name]) if name in runs else result
        for name, result in results.found.items()
    ]


_STATES = {"draft": "a draft", "inactive": "inactive"}


@over("DELETE", "/segments/{name}")
def delete_segment(
    workspace: Workspace,
    name: str,
    *,
    force: bool = False,
    expected: Mapping[str, int] | None = None,
) -> None:
    """Delete one segment; it can be restored for 30 days, and its history stays.

    Raises:
        NotFound: there is no such segment.
        Conflict: something uses it, and it is not forced; the message names the users.
        ChangedMeanwhile: it is not at the revision expected.
    """
    with transaction(workspace.database) as connection:
        lock_saving(connection)
        records = {record.name: record for record in storage.list_segments(connection, [name])}
        expected_record(connection, records, name, expected or {})
        life.delete_segment(connection, name, force=force)
        audit.record(connection, workspace.actor, "segment.deleted", name, {"forced": force})


def _delete(workspace: Workspace, names: Sequence[str], options: Options) -> list[SegmentResult]:
    """Delete each; those that only others of them use go after these, and what is forced last."""
    each = list(dict.fromkeys(names))
    with transaction(workspace.database) as connection:
        lock_saving(connection)
        records = {record.name: record for record in storage.list_segments(connection, each)}
        results = Results(connection)

        def delete(left: Sequence[str], *, force: bool) -> list[str]:
            for name in left:
                with results.of(name):
                    expected_record(connection, records, name, options.expected)
                    use = life.delete_segment(connection, name, force=force)
                    warnings = []
                    if use.used:
                        message = f"the segment {name} is still named by {use.text()}"
                        hint = f"`muster segment restore {name}` takes it back"
                        warnings.append(Problem(message=message, hint=hint))
                    results.add(name, "deleted", warnings=warnings)
            return [name for name in left if results.found[name].outcome == REFUSED]

        left, before = each, len(each) + 1
        while left and len(left) < before:
            before, left = len(left), delete(left, force=False)
        if options.force:
            left = delete(left, force=True)
        gone = [name for name in each if name not in left]
        audit.record(
            connection, workspace.actor, "segment.deleted", gone, {"forced": options.force}
        )
    return [results.found[name] for name in each]
