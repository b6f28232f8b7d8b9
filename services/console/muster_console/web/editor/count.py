"""The live count: off the event loop, a moment after the last change, one at a time, and only the latest is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from nicegui import background_tasks

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.web.editor.state import Editor
from muster_console.web.words import explain_error
from muster_core.errors import Conflict

#: How long after the last change counting begins, in seconds.
PAUSE = 0.35
#: Seconds until what was gone is asked again, and how often: for the five minutes a person may wait.
_AGAIN = 3.0
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a count found, in words and figures."""

    #: Members in words, such as ``1,234`` or ``about 1,230``.
    members: str
    #: The interval of an estimate, in words; empty where it is exact.
    interval: str = ""
    #: Members in percent of all customers.
    percent: float = 0.0
    exact: bool = True
    seconds: float = 0.0
    #: Who would join and leave against the published version; None where there is none.
    joined: str | None = None
    left: str | None = None
    #: Members by pointer, in words; ``/rules/0:running`` is the result after a rule.
    nodes: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


#: Counts a definition, given as a text; whether exactly, or as is best.
Count = Callable[[str, bool], Awaitable[Counted]]


class Counter:
    """Counts the draft of an editor after every change; `show` is told of what it does."""

    def __init__(self, editor: Editor, count: Count, text: Callable[[], str]) -> None:
        self._editor = editor
        self._count = count
        self._text = text
        self._wanted = 0
        self._at_work = False
        self._exact = False
        self._listeners: list[Callable[[], None]] = []
        #: What was counted last, and what stopped the latest count.
        self.counted: Counted | None = None
        self.trouble: str | None = None
        #: Whether nothing broke, and it is only too early to count: the data was not prepared yet.
        self.early = False
        self.busy = False
        self._last: str | None = None

    def on_change(self, show: Callable[[], None]) -> None:
        """Call `show` whenever there is something new to say."""
        self._listeners.append(show)

    def request(self, *, exact: bool = False) -> None:
        """Count the draft as it is now, unless it has problems; an older count that still goes on is forgotten."""
        text = self._text()
        if text == self._last and not exact:
            return
        self._last = text
        self._exact = exact
        self._wanted += 1
        if not self._editor.judgement.fine or not self._editor.document.get("rules"):
            self.busy = False
            self.trouble = None
            self._tell()
            return
        self.busy = True
        self._tell()
        if not self._at_work:
            self._at_work = True
            background_tasks.create(self._work())

    async def _work(self) -> None:
        try:
            done = -1
            while done != self._wanted:
                done = self._wanted
                await asyncio.sleep(PAUSE)
                # somebody is still typing
                passing = done == self._wanted and self.busy and await self._one(done)
                for _ in range(_TRIES):
                    if not passing:
                        break
                    # nobody else asks for a draft that stays as it is
                    await asyncio.sleep(_AGAIN)
                    passing = done == self._wanted and await self._one(done)
        finally:
            self._at_work = False

    async def _one(self, number: int) -> bool:
        """Count once; return whether it failed in a way that may pass."""
        try:
            counted = await self._count(self._text(), self._exact)
        except NotSignedIn:
            self._editor.visit.leave()
            return False
        except Conflict as exc:
            self._ended(number, None, explain_error(exc).line, early=True)
            return False
        except NotAllowed as exc:
            self._ended(number, None, explain_error(exc).line)
            return False
        except Exception as exc:  # noqa: BLE001 - the page says so, and the log
            trouble = explain_error(exc)
            self._ended(number, None, trouble.line)
            return trouble.passing
        self._ended(number, counted, None)
        return False

    def _ended(
        self, number: int, counted: Counted | None, trouble: str | None, *, early: bool = False
    ) -> None:
        if number != self._wanted:
            return
        self.busy = False
        self.trouble = trouble
        self.early = early
        if counted is not None:
            self.counted = counted
            self._editor.counted(counted.nodes)
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
