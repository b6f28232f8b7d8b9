"""``muster up``, ``muster down``, ``muster status``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from muster_console.cli.output import JsonOption, console, print_json
from muster_console.parts.detached import living_record, start_detached, stop_running
from muster_console.parts.heartbeat import Heartbeat, heartbeat_of, read_heartbeats
from muster_console.parts.state import ChildRecord, HomeRecord
from muster_console.parts.supervisor import Supervisor
from muster_core.errors import PartUnavailable
from muster_core.settings import Settings

_COLORS = {"ready": "green", "external": "green", "stopped": "dim"}


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything is ready; it keeps running.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C or `muster down`."""
    settings = Settings()
    if detach:
        with _progress("Starting ...", json=json):
            record = start_detached(settings)
        _show(settings, record, json=json)
    elif json:
        Supervisor(settings, _JsonWhenReady(settings)).run()
    elif console.is_terminal:
        # no thread of its own: children are started from here, and a forked thread's lock would stay locked
        with _live() as live:
            Supervisor(settings, lambda record: live.update(_table(record, {}), refresh=True)).run()
    else:
        Supervisor(settings, _Lines()).run()


def down(*, json: JsonOption = False) -> None:
    """Stop everything that `muster up` started in this home."""
    settings = Settings()
    with _progress("Stopping ...", json=json):
        stopped = stop_running(settings)
    if json:
        print_json({"home": str(settings.home.absolute()), "stopped": stopped is not None})
    elif stopped is None:
        console.print(f"Nothing runs in {settings.home.absolute()}.")
    else:
        console.print(f"Stopped everything in {settings.home.absolute()}; the data stays there.")


def status(*, json: JsonOption = False) -> None:
    """Show each part and service: whether it runs, since when, and its last sign of life."""
    settings = Settings()
    _show(settings, living_record(settings.home.absolute()), json=json)


def _progress(text: str, *, json: bool) -> AbstractContextManager[object]:
    return nullcontext() if json else console.status(text)


@contextmanager
def _live() -> Iterator[Live]:
    """Show a table that changes, until the block ends; a terminal that is gone by then is no error."""
    live = Live(console=console, auto_refresh=False)
    live.start()
    try:
        yield live
    finally:
        with suppress(OSError, SystemExit):
            live.stop()


class _Lines:
    """Reports every change as a line, for output that is no terminal."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def __call__(self, record: HomeRecord) -> None:
        for child in record.children:
            if self._states.get(child.name) != child.state:
                self._states[child.name] = child.state
                note = f" ({child.note})" if child.note else ""
                console.print(f"{child.name}: {child.state} {child.address}{note}".rstrip())
        if self._states.get("") != record.state:
            self._states[""] = record.state
            console.print(f"muster: {record.state}")


class _JsonWhenReady:
    """Prints the status as JSON once, when everything is ready."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._printed = False

    def __call__(self, record: HomeRecord) -> None:
        if record.state == "ready" and not self._printed:
            self._printed = True
            _show(self._settings, record, json=True)


def _show(settings: Settings, record: HomeRecord | None, *, json: bool) -> None:
    home = str(settings.home.absolute())
    running = record is not None and record.state != "stopped"
    heartbeats = _heartbeats(settings) if running else {}
    if json:
        print_json(_as_json(home, settings.lake(), record, heartbeats))
    elif record is None or not running:
        console.print(f"Nothing runs in {home}. Start everything with `muster up`.")
    else:
        console.print(_table(record, heartbeats))
        console.print(f"Home: {home}; logs: {home}/log; lake: {settings.lake()}")


def _heartbeats(settings: Settings) -> dict[int, Heartbeat]:
    try:
        return read_heartbeats(settings.database())
    except PartUnavailable:
        # still starting: there is no address yet
        return {}


def _table(record: HomeRecord, heartbeats: dict[int, Heartbeat]) -> Table:
    table = Table(title=f"Muster is {record.state}", title_justify="left")
    for column in ("part", "state", "address"):
        table.add_column(column, no_wrap=True)
    for column in ("pid", "up for", "restarts", "heartbeat"):
        table.add_column(column, justify="right", no_wrap=True)
    noted = any(_note(child, heartbeats) for child in record.children)
    if noted:
        table.add_column("note")
    for child in record.children:
        beat = heartbeat_of(child, heartbeats)
        color = _COLORS.get(child.state, "yellow")
        cells: list[str | Text] = [
            child.name,
            Text(str(child.state), color),
            child.address,
            str(child.pid or ""),
            _duration(time.time() - child.since) if child.since and child.pid else "",
            str(child.restarts),
            f"{_duration(time.time() - beat.seen_at.timestamp())} ago" if beat else "",
        ]
        table.add_row(*cells, *([_note(child, heartbeats)] if noted else []))
    return table


def _note(child: ChildRecord, heartbeats: dict[int, Heartbeat]) -> str:
    beat = heartbeat_of(child, heartbeats)
    return child.note or (beat.doing if beat and beat.doing else "")


def _as_json(
    home: str, lake: str, record: HomeRecord | None, heartbeats: dict[int, Heartbeat]
) -> dict[str, object]:
    return {
        "home": home,
        "lake": lake,
        "state": record.state if record else "stopped",
        "pid": record.pid if record and record.state != "stopped" else None,
        "since": _instant(record.since) if record else None,
        "parts": [
            _child(child, heartbeat_of(child, heartbeats))
            for child in (record.children if record else ())
        ],
    }


def _child(child: ChildRecord, beat: Heartbeat | None) -> dict[str, object]:
    return {
        "name": child.name,
        "kind": child.kind,
        "state": str(child.state),
        "address": child.address,
        "pid": child.pid,
        "since": _instant(child.since),
        "restarts": child.restarts,
        "note": child.note,
        "last_heartbeat": beat.seen_at if beat else None,
        "doing": beat.doing if beat else None,
    }


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
