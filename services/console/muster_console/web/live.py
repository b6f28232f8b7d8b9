"""Parts of a page that stay true: loaded again every second or two, and able to wait for what is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from nicegui import ui

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation.workspace import Workspace
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble, explain_error

T = TypeVar("T")
_NOTHING = object()


class Live(Generic[T]):
    """Loads something, shows it, and shows it again whenever it has changed.

    While a part of the deployment is gone the page keeps what it showed, says what is wrong, and goes on trying.
    """

    def __init__(
        self,
        visit: Visit,
        load: Callable[[Workspace], T],
        show: Callable[[T], None],
        *,
        seconds: float = 2.0,
    ) -> None:
        visit.live = True
        self._visit = visit
        self._load = load
        self._show = show
        self._seconds = seconds
        self._shown: object = _NOTHING
        self._banner = ui.element("div").classes("m-banner m-banner--bad").props("role=alert")
        self._banner.set_visibility(False)
        with self._banner:
            ui.icon("cloud_off").props("aria-hidden=true")
            self._text = ui.label()
        self._place = ui.element("div").classes("m-live")

    async def start(self, first: T | None = None, *, later: bool = False) -> None:
        """Load once now, and then again and again for as long as the page is open.

        Args:
            first: what to show without loading, where the page has it already; the first look follows at once.
            later: whether the page opens without it, and it is loaded as soon as the page is there.
        """
        if first is not None:
            self._put(first)
        if first is not None or later:
            ui.timer(0.05, self.refresh, once=True)
        else:
            await self.refresh()
        if self._seconds:
            ui.timer(self._seconds, self.refresh, immediate=False)

    async def refresh(self) -> None:
        """Load now; show it where it has changed."""
        try:
            value = await self._visit.load(self._load)
        except NotSignedIn:
            self._visit.leave()
            return
        except NotAllowed as exc:
            self._trouble(explain_error(exc))
            return
        except Exception as exc:  # noqa: BLE001 - the page says so, and the log
            self._trouble(explain_error(exc))
            return
        if self._place.is_deleted:
            return
        self._visit.troubles.pop(self, None)
        self._banner.set_visibility(False)
        if self._shown is _NOTHING or value != self._shown:
            self._put(value)

    def _put(self, value: T) -> None:
        self._shown = value
        with self._place:
            self._show(value)

    def _trouble(self, trouble: Trouble) -> None:
        if self._banner.is_deleted:
            return
        again = " This page tries again by itself." if trouble.passing else ""
        words = f"{trouble.line}{again}"
        told = self._visit.troubles
        told.pop(self, None)
        # what another part of the page says already is said once
        if words in told.values():
            self._banner.set_visibility(False)
            return
        told[self] = words
        self._text.set_text(words)
        self._banner.set_visibility(True)


def redraw(part: ui.element, draw: Callable[[], None]) -> None:
    """Empty `part` and draw it anew."""
    part.clear()
    with part:
        draw()
