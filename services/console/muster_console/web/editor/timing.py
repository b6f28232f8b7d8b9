"""When a segment is refreshed: with everything, at times of its own, or never by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.web.builder.timing import cron_of, daily_of
from muster_console.web.builder.word import WEEKDAYS
from muster_console.web.component.markup import text
from muster_console.web.editor.field import choose, write
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw

_SCHEDULES = {
    "system": "with every system refresh",
    "cron": "at times of its own",
    "off": "never by itself",
}
#: What times of its own begin with.
_MORNING = "0 6 * * *"


def schedule_fields(editor: Editor) -> None:
    """Put the choice; times of its own are a time and weekdays, in step with the cron expression they mean."""
    part = Element("div").classes("m-names m-wider")

    def turn(chosen: str) -> None:
        value: Any = {"cron": _MORNING} if chosen == "cron" else chosen
        editor.set_field("", "schedule", value, absent="system")
        redraw(part, draw)

    def put(name: str, value: str) -> None:
        now = {**_own(editor), name: value}
        editor.set_field("", "schedule", {n: v for n, v in now.items() if v or n == "cron"})

    def draw() -> None:
        schedule = editor.document.get("schedule", "system")
        mine = isinstance(schedule, dict)
        choose("schedule", _SCHEDULES, "cron" if mine else schedule, turn)
        if mine:
            _Times(editor, put)

    with part:
        draw()


class _Times:
    """Time, weekdays, cron and zone; each follows the others where it stands, or a click on it would be lost."""

    def __init__(self, editor: Editor, put: Callable[[str, str], None]) -> None:
        self._editor, self._put = editor, put
        zone = _own(editor).get("timezone") or ""
        self._at = write("at", "", lambda _: self._take(), kind="time")
        self._on = ui.select(dict(WEEKDAYS), value=[], multiple=True, label="on")
        self._on.props("options-dense behavior=menu").classes("m-field")
        # once the list is shut: choosing three days is one change
        self._on.on("popup-hide", lambda: self._take())
        self._cron = write("cron: minute hour day month weekday", "", self._take_cron)
        self._cron.props["autocomplete"] = "off"
        write("zone, such as Europe/London", zone, self._take_zone)
        self._said = text("", tag="p").classes("m-hint m-wider")
        self._show()

    def _take(self) -> None:
        """Take time and weekdays; where no time is, the cron stays as it is."""
        cron = cron_of(self._at.value or "", list(self._on.value or []))
        if cron is not None and cron != _own(self._editor).get("cron"):
            self._put("cron", cron)
        self._show()

    def _take_cron(self, typed: str) -> None:
        self._put("cron", typed.strip())
        self._show()

    def _take_zone(self, typed: str) -> None:
        self._put("timezone", typed.strip())
        self._show()

    def _show(self) -> None:
        own = _own(self._editor)
        cron = own.get("cron", "")
        daily = daily_of(cron)
        time, days = daily or ("", [])
        self._at.set_value(time)
        self._on.set_value(days)
        self._on.set_enabled(daily is not None)
        self._cron.set_value(cron)
        said = [] if daily else ["The cron expression says more than one time of a day."]
        if daily and not days:
            said.append("Every day.")
        if not own.get("timezone"):
            said.append(f"Times are meant in {self._editor.zone}.")
        self._said.set_text(" ".join(said))


def _own(editor: Editor) -> dict[str, Any]:
    schedule = editor.document.get("schedule")
    return dict(schedule) if isinstance(schedule, dict) else {}
