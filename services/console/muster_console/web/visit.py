"""One open page of one person: whatever it reads or does goes through here, off the event loop, with their rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from nicegui import Client, ui

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation.access import principal_of_token
from muster_console.operation.workspace import Workspace
from muster_console.web.words import Trouble, explain_error
from muster_core.security.role import Permission, Principal

T = TypeVar("T")

#: More than there are connections of the control database: while that hangs, other pages still answer.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="page")


async def off_loop(work: Callable[[], T]) -> T:
    """Return what `work` returns; it may block, for it runs in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What an action came to: its value, or the trouble people were told of."""

    value: T | None = None
    trouble: Trouble | None = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.trouble is None


@dataclass(slots=True, kw_only=True)
class Visit:
    """A person on a page; `principal` is as it was when the page was opened, for what to show."""

    workspace: Workspace
    principal: Principal
    token: str
    permission: Permission
    client: Client
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    #: Whether a part of the page says by itself when it cannot be read.
    live: bool = False
    #: What parts of the page say just now of what they cannot read.
    troubles: dict[object, str] = field(default_factory=dict)

    def every(self, name: str) -> list[str]:
        """Return every value the address gives `name`."""
        return parse_qs(urlsplit(self.path).query).get(name, [])

    def allows(self, permission: Permission) -> bool:
        """Tell whether to show what needs `permission`; `do` asks again."""
        return self.principal.allows(permission)

    async def load(self, read: Callable[[Workspace], T]) -> T:
        """Return what `read` finds, with the rights the person has now.

        Raises:
            MusterError: what `read` raises, and `NotSignedIn` or `NotAllowed`.
        """
        return await self._with(self.permission, read)

    async def do(
        self, permission: Permission, act: Callable[[Workspace], T], *, said: str | None = None
    ) -> Outcome[T]:
        """Do something that needs `permission`; tell `said` at the end, or what went wrong."""
        try:
            value = await self._with(permission, act)
        except NotSignedIn:
            self.leave()
            return Outcome(trouble=Trouble(text="You are not signed in any more."))
        except Exception as exc:  # noqa: BLE001 - the page says so, and the log
            trouble = explain_error(exc)
            self.tell(trouble.line, bad=True)
            return Outcome(trouble=trouble)
        if said:
            self.tell(said)
        return Outcome(value=value)

    def leave(self) -> None:
        """Go to the sign-in page, and back here after it."""
        with self.client:
            ui.navigate.to(f"/sign-in?next={quote(self.path, safe='')}")

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show a message for a few seconds; longer where something is wrong."""
        # in the page itself: the button that was clicked may be gone by now
        with self.client:
            tell(text, bad=bad)

    async def _with(self, permission: Permission, work: Callable[[Workspace], T]) -> T:
        def checked() -> T:
            # what was taken from somebody is gone with the next click, as with the next request
            principal = principal_of_token(self.workspace, self.token)
            if principal is None:
                raise NotSignedIn
            if not principal.allows(permission):
                raise NotAllowed(permission)
            return work(self.workspace.of(principal))

        return await off_loop(checked)


def tell(text: str, *, bad: bool = False) -> None:
    """Show a message for a few seconds on the page at hand; longer where something is wrong."""
    ui.notify(
        text,
        # names Quasar has no colours for: ours are in the style, for both themes
        color="none",
        textColor="none",
        icon="error" if bad else "check_circle",
        classes="m-said m-said--bad" if bad else "m-said",
        position="bottom",
        timeout=10_000 if bad else 4_000,
        close_button="Close",
        multi_line=len(text) > 80,
    )
