"""What is wrong with the deployment, said on every open page: a service that is silent, hints that do not arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from nicegui import ui
from nicegui.element import Element

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation.health import look_at_health
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import note
from muster_console.web.live import redraw
from muster_console.web.visit import Visit
from muster_console.web.words import explain_error

#: Between two looks of one page; a service counts as silent after a lease only.
_SECONDS = 5.0


class HealthWatch:
    """What is wrong, shared by every page of a console: asked once in `seconds`, however many are open."""

    def __init__(self, *, seconds: float = 3.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._found: tuple[str, ...] = ()

    def look(self, workspace: Workspace) -> tuple[str, ...]:
        """Return what is wrong, in sentences; nothing where no service ever came up beside this console."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._seconds:
                health = look_at_health(workspace)
                self._found = tuple(health.problems) if health.processes else ()
                self._read_at = time.monotonic()
            return self._found


_WATCH = HealthWatch()
#: Where services are looked at.
SERVICES = "/settings/services"


def put_notice(visit: Visit) -> Callable[[], None]:
    """Put the place where it is said, empty while everything works; return what begins to look.

    Call that when the page is built: a timer waits for the browser, and NiceGUI answers with what is there by then.
    """
    place = Element("div").classes("m-stack m-notice")
    place.props["role"] = "status"
    shown: list[tuple[str, ...]] = [()]

    async def look() -> None:
        try:
            found = await visit.load(_WATCH.look)
        except NotSignedIn:
            visit.leave()
            return
        except NotAllowed:
            return
        except Exception as exc:  # noqa: BLE001 - the page says so, and the log
            # a page with a live part says it there already
            words = f"{explain_error(exc).line} This page tries again by itself."
            found = () if visit.live else (words,)
        if place.is_deleted or found == shown[0]:
            return
        shown[0] = found

        def draw() -> None:
            for words in found:
                note(words, bad=True)

        redraw(place, draw)

    def begin() -> None:
        # the page about services says it itself, with every process beside it
        if visit.path.partition("?")[0] != SERVICES:
            ui.timer(_SECONDS, look)

    return begin
