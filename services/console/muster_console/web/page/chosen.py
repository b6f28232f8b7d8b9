"""What can be done with chosen segments: offered by what the person may, asked where more must be known, and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from muster_console.operation.action import Action as Deed
from muster_console.operation.action import Options
from muster_console.operation.life import duplicate_segment
from muster_console.operation.segment import show_segment
from muster_console.web.builder.timing import cron_of, daily_of
from muster_console.web.builder.word import WEEKDAYS
from muster_console.web.component.bulk import act_on
from muster_console.web.component.dialog import Field, ask, confirm
from muster_console.web.component.markup import path_to
from muster_console.web.component.table import Action
from muster_console.web.visit import Outcome, Visit
from muster_core.security.role import Permission

_EDITS = (
    Action(name="refresh", label="Refresh", icon="sync"),
    Action(name="activate", label="Activate", icon="toggle_on"),
    Action(name="deactivate", label="Deactivate", icon="toggle_off"),
    Action(name="tag", label="Tag", icon="label"),
    Action(name="edit", label="Edit", icon="edit", more=True),
    Action(name="rename", label="Rename", icon="drive_file_rename_outline", more=True),
    Action(name="duplicate", label="Duplicate", icon="content_copy", more=True),
    Action(name="schedule", label="Schedule", icon="schedule", more=True),
    Action(name="static", label="Make static", icon="lock_clock", more=True),
    Action(name="dynamic", label="Make dynamic", icon="autorenew", more=True),
    Action(name="export", label="New export of it", icon="outbox", more=True),
    Action(name="delete", label="Delete", icon="delete", bad=True, more=True),
)
_DOWNLOAD = Action(name="download", label="Download CSV", icon="download")
_COMPARE = Action(name="compare", label="Insights", icon="insights")
_CLEANUP = (
    Action(name="exempt", label="Never clean up", icon="shield", more=True),
    Action(name="clean", label="Clean up when unused", icon="cleaning_services", more=True),
)
#: Actions that need to know nothing more.
_AT_ONCE = frozenset({Deed.REFRESH, Deed.ACTIVATE, Deed.DEACTIVATE, Deed.STATIC, Deed.DYNAMIC})
Done = Callable[[], Awaitable[None]]


def offered(visit: Visit) -> list[Action]:
    """Return what this person may do with chosen segments."""
    found = list(_EDITS) if visit.allows(Permission.EDIT) else []
    if visit.allows(Permission.ADMINISTER):
        found[-1:-1] = _CLEANUP
    if visit.allows(Permission.MEMBERS):
        found.insert(min(1, len(found)), _DOWNLOAD)
    found.insert(min(2, len(found)), _COMPARE)
    return found


async def act_on_rows(visit: Visit, name: str, keys: list[str], done: Done) -> None:
    """Do what was chosen, with what it needs to know; `done` is called after a change."""
    if name in _AT_ONCE:
        await act_on(visit, Deed(name), keys)
        await done()
    elif name == "download":
        ui.navigate.to(f"/download?{urlencode([('name', key) for key in keys])}", new_tab=True)
    elif name == "compare":
        others = urlencode([("with", key) for key in keys[1:]])
        ui.navigate.to(f"{path_to('segments', keys[0], 'insights')}?{others}")
    elif name == "tag":
        _tag(visit, keys, done)
    elif name == "schedule":
        await _schedule(visit, keys, done)
    elif name == "delete":
        await _delete(visit, keys, done)
    elif name in ("exempt", "clean"):
        exempt = Options(auto_cleanup=name == "clean")
        await act_on(visit, Deed.CLEANUP, keys, exempt, permission=Permission.ADMINISTER)
        await done()
    elif name == "export":
        ui.navigate.to(f"/exports/new?{urlencode([('segment', key) for key in keys])}")
    elif len(keys) > 1:
        visit.tell("Choose one segment for that.", bad=True)
    elif name == "edit":
        ui.navigate.to(path_to("segments", keys[0], "edit"))
    elif name == "rename":
        await _rename(visit, keys[0], done)
    else:
        _duplicate(visit, keys[0], done)


def _listed(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{len(keys)} segments"


def _tag(visit: Visit, keys: list[str], done: Done) -> None:
    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        options = Options(add_tags=_words(given["add"]), remove_tags=_words(given["remove"]))
        outcome = await act_on(visit, Deed.TAG, keys, options)
        await done()
        return outcome

    ask(
        f"Tag {_listed(keys)}",
        [
            Field(name="add", label="Add tags", hint="separated by commas"),
            Field(name="remove", label="Take away tags", hint="separated by commas"),
        ],
        submit,
    )


def _words(given: Any) -> list[str]:
    return [word.strip() for word in str(given or "").split(",") if word.strip()]


async def _schedule(visit: Visit, keys: list[str], done: Done) -> None:
    now: Any = "system"
    if len(keys) == 1:
        # of several, each may have its own: what is chosen then is for all of them
        outcome = await visit.do(Permission.VIEW, lambda w: show_segment(w, keys[0]))
        if outcome.value is None:
            return
        now = outcome.value.document.get("schedule", now)
    own_now = now if isinstance(now, dict) else {}
    cron_now = own_now.get("cron", "")
    daily = daily_of(cron_now)

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        # what is no time of a day is refused below, as a cron expression that is none
        at = str(given["at"] or "")
        own = {"cron": given["cron"] or cron_of(at, list(given["days"] or [])) or at}
        if given["timezone"]:
            own["timezone"] = given["timezone"]
        options = Options(schedule=own if given["kind"] == "cron" else given["kind"])
        outcome = await act_on(visit, Deed.SCHEDULE, keys, options)
        await done()
        return outcome

    ask(
        f"Schedule of {_listed(keys)}",
        [
            Field(
                name="kind",
                label="When it is refreshed",
                kind="choice",
                value="cron" if own_now else now,
                choices={
                    "system": "with the system refresh",
                    "cron": "at times of its own",
                    "off": "never by itself",
                },
            ),
            Field(
                name="at",
                label="Time of day",
                value=daily[0] if daily else "",
                hint="such as 06:30",
            ),
            Field(
                name="days",
                label="On weekdays",
                kind="choices",
                choices=WEEKDAYS,
                value=daily[1] if daily else [],
                hint="none: every day",
            ),
            Field(
                name="cron",
                label="Or a cron expression: minute hour day month weekday",
                value="" if daily else cron_now,
                hint="instead of time and weekdays",
            ),
            Field(
                name="timezone",
                label="Time zone",
                value=own_now.get("timezone") or "",
                hint="empty: that of the data",
            ),
        ],
        submit,
    )


async def _rename(visit: Visit, name: str, done: Done) -> None:
    opened = await visit.do(Permission.VIEW, lambda w: show_segment(w, name))
    if opened.value is None:
        return

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        options = Options(display_name=given["display_name"] or None)
        outcome = await act_on(visit, Deed.RENAME, [name], options)
        await done()
        return outcome

    ask(
        f"Rename {name}",
        [
            Field(
                name="display_name",
                label="Display name",
                value=opened.value.segment.display_name,
                hint="the name itself is fixed",
            )
        ],
        submit,
        action="Rename",
    )


def _duplicate(visit: Visit, name: str, done: Done) -> None:
    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        copy = str(given["name"])
        outcome = await visit.do(
            Permission.EDIT,
            lambda w: duplicate_segment(w, name, copy, state="draft" if given["draft"] else None),
            said=f"{copy} is saved.",
        )
        await done()
        return outcome

    ask(
        f"Duplicate {name}",
        [
            Field(name="name", label="Name of the copy", value=f"{name}_copy"),
            Field(name="draft", label="Save as a draft", kind="yes"),
        ],
        submit,
        action="Duplicate",
    )


async def _delete(visit: Visit, keys: list[str], done: Done) -> None:
    if await confirm(
        f"Delete {_listed(keys)}?",
        "That is refused while segments, measures or exports use it. What is deleted can be restored for 30 days.",
        action="Delete",
        bad=True,
    ):
        await act_on(visit, Deed.DELETE, keys)
        await done()
