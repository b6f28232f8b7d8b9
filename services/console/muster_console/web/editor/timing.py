"""Times of their own of what has a schedule, and when a segment is refreshed: with everything, then, or never by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
MORNING = "0 6 * * *"


def schedule_fields(editor: Editor) -> None:
    """Put the choice; times of its own are a time and weekdays, in step with the cron expression they mean."""
    part = Element("div").classes("m-names m-wider")

    def turn(chosen: str) -> None:
        value: Any = {"cron": MORNING} if chosen == "cron" else chosen
        editor.set_field("", "schedule", value, absent="system")
        redraw(part, draw)

    def draw() -> None:
        schedule = editor.document.get("schedule", "system")
        mine = isinstance(schedule, dict)
        choose("schedule", _SCHEDULES, "cron" if mine else schedule, turn)
        if mine:
            Times(
                lambda: own_times(editor.document),
                lambda own: editor.set_field("", "schedule", own),
                lambda: editor.zone,
            )

    with part:
        draw()


def own_times(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the times of its own that a document names, as they stand there; nothing where it has none."""
    schedule = document.get("schedule")
    return dict(schedule) if isinstance(schedule, Mapping) else {}


class Times:
    """Time, weekdays, cron and zone; each follows the others where it stands, or a click on it would be lost.

    A cron that says more than one time of a day stays as it is until somebody changes it.
    """

    def __init__(
        self,
        read: Callable[[], dict[str, Any]],
        take: Callable[[dict[str, Any]], None],
        zone: Callable[[], str],
    ) -> None:
        """Put the fields.

        Args:
            read: returns the times as the document has them, ``cron`` and perhaps ``timezone``.
            take: called with the times after each change.
            zone: returns the zone in which times without one are meant.
        """
        self._read, self._take_own, self._usual = read, take, zone
        self._at = write(
            "at", "", lambda _: self._take(), kind="time", now=lambda: self._daily()[0]
        )
        self._on = ui.select(dict(WEEKDAYS), value=[], multiple=True, label="on")
        self._on.props("options-dense behavior=menu").classes("m-field")
        # once the list is shut: choosing three days is one change
        self._on.on("popup-hide", lambda: self._take())
        self._cron = write(
            "cron: minute hour day month weekday",
            "",
            lambda typed: self._put("cron", typed),
            now=lambda: self._now("cron"),
        )
        self._cron.props["autocomplete"] = "off"
        self._zone = write(
            "zone, such as Europe/London",
            "",
            lambda typed: self._put("timezone", typed),
            now=lambda: self._now("timezone"),
        )
        self._said = text("", tag="p").classes("m-hint m-wider")
        self.show()

    def show(self) -> None:
        """Bring the fields to what the document says."""
        (time, days), zone = self._daily(), self._now("timezone")
        self._at.set_value(time)
        self._on.set_value(days)
        self._on.set_enabled(bool(time))
        self._cron.set_value(self._now("cron"))
        self._zone.set_value(zone)
        said = [] if time else ["The cron expression says more than one time of a day."]
        if time and not days:
            said.append("Every day.")
        if not zone:
            said.append(f"Times are meant in {self._usual()}.")
        self._said.set_text(" ".join(said))

    def _now(self, name: str) -> str:
        # a document that somebody writes may hold anything there
        return str(self._read().get(name) or "")

    def _daily(self) -> tuple[str, list[int]]:
        return daily_of(self._now("cron")) or ("", [])

    def _take(self) -> None:
        """Take time and weekdays; where no time is, the cron stays as it is."""
        cron = cron_of(self._at.value or "", list(self._on.value or []))
        if cron is not None and cron != self._now("cron"):
            self._put("cron", cron)
        self.show()

    def _put(self, name: str, value: str) -> None:
        own = {**self._read(), name: value.strip()}
        self._take_own({n: v for n, v in own.items() if v or n == "cron"})
        self.show()
