"""One open page of one person: whatever it reads or does goes through here, off the event loop, with their rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote

from nicegui import ui

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation.access import principal_of_token
from muster_console.operation.workspace import Workspace
from muster_console.web.words import Trouble, explain_error
from muster_core.security.role import Permission, Principal

T = TypeVar("T")


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
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)

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
        """Do something that needs `permission`; tell `said` at the end, or what went wrong.

        Must be awaited in the context of the page.
        """
        try:
            value = await self._with(permission, act)
        except NotSignedIn:
            self.leave()
            return Outcome(trouble=Trouble(text="You are not signed in any more."))
        except Exception as exc:  # noqa: BLE001 - the page says so, and the log
            trouble = explain_error(exc)
            tell(trouble.line, bad=True)
            return Outcome(trouble=trouble)
        if said:
            tell(said)
        return Outcome(value=value)

    def leave(self) -> None:
        """Go to the sign-in page, and back here after it."""
        ui.navigate.to(f"/sign-in?next={quote(self.path, safe='')}")

    async def _with(self, permission: Permission, work: Callable[[Workspace], T]) -> T:
        def checked() -> T:
            # what was taken from somebody is gone with the next click, as with the next request
            principal = principal_of_token(self.workspace, self.token)
            if principal is None:
                raise NotSignedIn
            if not principal.allows(permission):
                raise NotAllowed(permission)
            return work(self.workspace.of(principal))

        return await asyncio.to_thread(checked)


def tell(text: str, *, bad: bool = False) -> None:
    """Show a message for a few seconds; longer where something is wrong."""
    ui.notify(
        text,
        type="negative" if bad else "positive",
        position="bottom",
        timeout=10_000 if bad else 4_000,
        close_button="Close",
        multi_line=len(text) > 80,
    )
