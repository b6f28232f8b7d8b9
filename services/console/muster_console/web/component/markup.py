"""The smallest parts: text, links, icons, buttons, cards.

Words of people are only ever set as text or as a property by its name: NiceGUI's `props("...")` reads a little
language of its own, in which a name could say more than it should.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from nicegui import ui
from nicegui.element import Element

#: What stands where there is no value.
NOTHING = "\N{EN DASH}"
_KINDS = {
    "main": "unelevated no-caps",
    "plain": "outline no-caps",
    "quiet": "flat no-caps",
    "danger": "outline no-caps",
}


class Words(Element):
    """An element that holds nothing but text."""

    def __init__(self, content: str, tag: str) -> None:
        super().__init__(tag)
        self._text = content

    def set_text(self, content: str) -> None:
        """Say something else."""
        if content != self._text:
            self._text = content
            self.update()


def text(content: object, *, tag: str = "span") -> Words:
    """Put text, as it stands."""
    return Words(str(content), tag)


def link(path: str, words: str | None = None) -> Element:
    """Put a link to a path of the console; build it with `path_to` where it holds a name."""
    element = Element("a") if words is None else Words(words, "a")
    element.props["href"] = path
    return element.classes("m-link")


def path_to(*parts: object) -> str:
    """Return a path of the console, each part made safe: ``path_to("segments", name)``."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def icon(name: str) -> Element:
    """Put a picture that says nothing the words beside it do not say."""
    found = ui.icon(name)
    found.props["aria-hidden"] = "true"
    return found


def in_page(handler: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Return `handler` as one that works in the page as a whole.

    The part a click came from may be drawn anew while the handler waits, and what it opens must not go with it.
    """
    client = ui.context.client

    async def handle(*given: Any) -> None:
        with client:
            result = handler(*given)
            if inspect.isawaitable(result):
                await result

    return handle


def button(
    words: str,
    on_click: Callable[..., Any] | None = None,
    *,
    icon_name: str | None = None,
    label: str | None = None,
    kind: str = "plain",
) -> ui.button:
    """Put a button; `kind` is main, plain, quiet or danger, `label` its name where it has no words."""
    made = ui.button(words, icon=icon_name, color=None).props(_KINDS[kind])
    if on_click is not None:
        clicked = in_page(on_click)
        made.on("click", lambda: clicked(), [])
    made.classes(f"m-button m-button--{kind}")
    if label:
        made.props["aria-label"] = label
        made.props["title"] = label
    return made


def card(title: str | None = None, *, level: str = "h2") -> Element:
    """Put a card; use it as a context."""
    found = Element("section").classes("m-card")
    if title:
        with found:
            text(title, tag=level).classes("m-card-title")
    return found


def row() -> Element:
    """Put things side by side, wrapping where there is no room."""
    return Element("div").classes("m-row")


def stack() -> Element:
    """Put things below each other."""
    return Element("div").classes("m-stack")


def note(words: str, *, bad: bool = False) -> Element:
    """Put a note that stays."""
    found = Element("div").classes("m-banner m-banner--bad" if bad else "m-banner")
    with found:
        icon("error" if bad else "info")
        text(words)
    return found


def empty(title: str, words: str, *, icon_name: str = "inbox") -> Element:
    """Put what is said where there is nothing yet; the block may add what to do."""
    found = Element("div").classes("m-empty")
    with found:
        icon(icon_name)
        text(title, tag="h2")
        text(words, tag="p")
    return found


def facts(pairs: list[tuple[str, object]]) -> Element:
    """Put names and values below each other; a value that is a function puts itself."""
    found = Element("dl").classes("m-facts")
    with found:
        for name, value in pairs:
            with Element("div"):
                text(name, tag="dt")
                with Element("dd"):
                    if callable(value):
                        value()
                    else:
                        text(NOTHING if value in (None, "") else value)
    return found


def tabs(entries: list[tuple[str, str]], current: str, label: str) -> None:
    """Put links to the parts of a page: (path, words), the present one marked."""
    with Element("nav").classes("m-tabs") as found:
        found.props["aria-label"] = label
        for path, words in entries:
            made = link(path, words).classes("m-tab")
            if path == current:
                made.props["aria-current"] = "page"
