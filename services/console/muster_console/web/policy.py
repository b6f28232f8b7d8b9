"""Pages and who may open them: every page names its permission, and one that names none stops the start."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import Client

from muster_console.api.policy import RouteWithoutPolicy
from muster_core.security.role import Permission

Build = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: `build` gets the visit, then what the path names, as text."""

    path: str
    permission: Permission
    title: str
    #: The entry of the navigation it belongs to.
    section: str
    build: Build

    @property
    def parameters(self) -> list[str]:
        """Return what the path names, in order."""
        return re.findall(r"\{(\w+)\}", self.path)


#: Every declared page by its path.
PAGES: dict[str, Page] = {}


def page(
    path: str, *, permission: Permission, title: str, section: str = ""
) -> Callable[[Build], Build]:
    """Declare a page that only people with `permission` may open.

    The function gets a `Visit` and what the path names; it builds inside the frame of the console. `section` is the
    entry of the navigation that is marked, by default the first part of the path.
    """

    def declare(build: Build) -> Build:
        if path in PAGES:
            raise ValueError(f"there are two pages {path}")
        PAGES[path] = Page(
            path=path,
            permission=permission,
            title=title,
            section=section or path.split("/")[1],
            build=build,
        )
        return build

    return declare


def check_pages(declared: set[str]) -> None:
    """Look at every page NiceGUI knows before the first request.

    Raises:
        RouteWithoutPolicy: one was not declared with `page`, so nobody said who may open it.
    """
    for path in Client.page_routes.values():
        if path not in declared:
            raise RouteWithoutPolicy(f"The page {path} names no permission.")
