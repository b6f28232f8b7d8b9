"""Limits, settings of the service, and automatic clean-up with a look at what it would do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from muster_console.operation.service import (
    Limits,
    change_setting,
    list_settings,
    look_at_limits,
    run_cleanup,
)
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import Field, ask, confirm
from muster_console.web.component.markup import button, card, note, row, stack, text
from muster_console.web.component.table import Action, Column, DataTable, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.numeral import numerals
from muster_console.web.page.settings import settings_head
from muster_console.web.policy import page
from muster_console.web.visit import Outcome, Visit
from muster_core.security.role import Permission
from muster_core.storage.cleanup import Cleaned
from muster_core.storage.service_setting import SettingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    limits: Limits
    settings: Sequence[SettingLine]


def _read(workspace: Workspace) -> _Service:
    return _Service(limits=look_at_limits(workspace), settings=list_settings(workspace))


@page("/settings/service", permission=Permission.VIEW, title="Limits and clean-up")
async def service(visit: Visit) -> None:
    """Build the limits, the settings, and the clean-up."""
    with heading(
        "Limits and clean-up", lead="What this deployment is made for, and how near it is."
    ):
        pass
    settings_head(visit, "/settings/service")
    parts: dict[str, Any] = {}

    async def act(name: str, key: str) -> None:
        await _change(visit, live, key)

    def show(found: _Service) -> None:
        if not parts:
            parts["banner"] = stack()
            parts["banner"].props["role"] = "status"
            with card("Limits"):
                parts["limits"] = _limit_table()
            with card("Settings"):
                parts["settings"] = _setting_table(act)
        redraw(parts["banner"], lambda: _banner(found.limits))
        parts["limits"].set_rows(
            [
                {
                    "name": line.name.replace("_", " "),
                    "level": "ok" if line.level == "fine" else line.level,
                    "used": line.used,
                    "limit": line.limit,
                    "set_by": line.set_by,
                }
                for line in found.limits.limits
            ]
        )
        may = visit.allows(Permission.ADMINISTER)
        parts["settings"].set_rows([_setting(line, may=may) for line in found.settings])

    live = Live(visit, _read, show, seconds=30)
    await live.start()
    _cleanup_card(visit)


def _banner(limits: Limits) -> None:
    if limits.banner:
        note(limits.banner, bad=True)


def _limit_table() -> DataTable:
    return DataTable(
        (
            Column(name="name", label="Limit"),
            Column(name="level", label="State", kind="status"),
            Column(name="used", label="Taken", kind="number"),
            Column(name="limit", label="Of", kind="number"),
            Column(name="set_by", label="Set by", kind="code"),
        ),
        row_key="name",
        caption="Limits",
    )


def _setting_table(act: Any) -> DataTable:
    return DataTable(
        (
            Column(name="name", label="Setting"),
            Column(name="value", label="Value"),
            Column(name="meaning", label="What it does"),
            Column(name="actions", label="Actions", kind="actions"),
        ),
        row_key="name",
        caption="Settings",
        on_action=act,
    )


def _setting(line: SettingLine, *, may: bool) -> dict[str, Any]:
    change = Action(name="change", label="Change", icon="edit")
    return {
        "name": line.name,
        "value": _said(line.value),
        "meaning": line.meaning,
        "actions": row_actions(change) if may else [],
    }


async def _change(visit: Visit, live: Live[_Service], name: str) -> None:
    known = await visit.do(Permission.ADMINISTER, list_settings)
    now = next((line.value for line in known.value or () if line.name == name), None)
    if now is None:
        return

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        value = given["value"] if isinstance(now, bool) else _number(str(given["value"] or ""))
        outcome = await visit.do(
            Permission.ADMINISTER,
            lambda w: change_setting(w, name, value),
            said=f"{name} is changed.",
        )
        await live.refresh()
        return outcome

    field = Field(name="value", label="Value", value=str(now), hint="empty: as it was at first")
    if isinstance(now, bool):
        field = Field(name="value", label=name.replace("_", " "), kind="yes", value=now)
    ask(f"Change {name}", [field], submit)


def _number(typed: str) -> int | str | None:
    """Return what was typed as a number; what is none is refused as it is, and nothing is the default."""
    words = typed.strip()
    return int(words) if re.fullmatch(r"-?[0-9]{1,9}", words) else words or None


def _cleanup_card(visit: Visit) -> None:
    with card("Clean-up"):
        text(
            "Every day, active segments that nothing uses and nobody changed for long become inactive. "
            "Their definition and their last members stay.",
            tag="p",
        ).classes("m-muted")
        with row():
            button("See what it would do", lambda: _clean(visit, place, dry_run=True))
            if visit.allows(Permission.ADMINISTER):
                button("Clean up now", lambda: _clean(visit, place, dry_run=False), kind="danger")
        place = stack()
        place.props["role"] = "status"


async def _clean(visit: Visit, place: ui.element, *, dry_run: bool) -> None:
    if not dry_run and not await confirm(
        "Clean up now?", "What nothing uses becomes inactive at once.", action="Clean up", bad=True
    ):
        return
    permission = Permission.VIEW if dry_run else Permission.ADMINISTER
    outcome = await visit.do(permission, lambda w: run_cleanup(w, dry_run=dry_run))
    cleaned = outcome.value
    if cleaned is not None:
        redraw(place, lambda: _cleaned(cleaned, dry_run=dry_run))


def _cleaned(cleaned: Cleaned, *, dry_run: bool) -> None:
    if not cleaned.found:
        note(f"Nothing has been unused and unchanged for {cleaned.days} days.")
        return
    would = "would become" if dry_run else "became"
    note(f"{len(cleaned.found)} unused for {cleaned.days} days {would} inactive.")
    DataTable(
        (
            Column(name="kind", label="Kind", filter=True),
            Column(name="name", label="Name"),
            Column(name="changed_at", label="Last changed", kind="moment"),
        ),
        [
            {"id": place, "kind": one.kind, "name": one.name, "changed_at": one.changed_at}
            for place, one in enumerate(cleaned.found)
        ],
        row_key="id",
        caption="What nothing uses",
        page_size=20,
    )


def _said(value: object) -> str:
    """Return a setting's value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return numerals().number(value) if isinstance(value, int) else str(value)
