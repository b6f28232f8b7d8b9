"""The frame every page stands in: header, navigation, theme, and the place for the page itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from muster_console.web.component.markup import button, icon, link, text
from muster_console.web.notice import put_notice
from muster_console.web.visit import Visit

#: The entries of the navigation: section, path, name, icon.
SECTIONS = (
    ("segments", "/segments", "Segments", "groups"),
    ("runs", "/runs", "Runs", "sync"),
    ("exports", "/exports", "Exports", "outbox"),
    ("catalog", "/catalog", "Catalog", "schema"),
    ("measures", "/measures", "Measures", "functions"),
    ("settings", "/settings", "Settings", "settings"),
)
THEME = "muster_theme"
_THEMES = {
    "system": (None, "brightness_auto", "light"),
    "light": (False, "light_mode", "dark"),
    "dark": (True, "dark_mode", "system"),
}


@contextmanager
def frame(visit: Visit, *, section: str, title: str) -> Iterator[None]:
    """Build header and navigation; the block builds the page."""
    ui.page_title(f"{title} · Muster")
    with ui.header(elevated=False).classes("m-top"):
        skip = link("#", "Skip to the page").classes("m-skip")
        toggle = button("", icon_name="menu", label="Navigation", kind="quiet").classes("m-burger")
        with link("/segments").classes("m-mark"):
            ui.element("img").props('src=/asset/mark.svg alt="" width=24 height=24')
            text("Muster")
        ui.element("div").classes("m-grow")
        button("", icon_name="keyboard", label="Keys", kind="quiet").classes("m-keys-open")
        _theme_switch(visit)
        _who(visit)
    with ui.left_drawer(value=False, fixed=True) as drawer:
        drawer.classes("m-side")
        # Quasar opens it where there is room; asked for by NiceGUI a slow browser would answer too late
        drawer.props["show-if-above"] = True
        drawer.props["width"] = 208
        drawer.props["breakpoint"] = 999
        with ui.element("nav").props('aria-label="Main"').classes("m-nav"):
            for name, path, word, icon_name in SECTIONS:
                with link(path).classes("m-nav-link") as entry:
                    icon(icon_name)
                    text(word)
                if name == section:
                    entry.props["aria-current"] = "page"
    toggle.on("click", drawer.toggle)
    with ui.element("div").classes("m-page") as whole:
        # for the keyboard: past the header and the navigation in one step
        whole.props["tabindex"] = "-1"
        skip.props["href"] = f"#{whole.html_id}"
        begin_to_look = put_notice(visit)
        yield
        begin_to_look()


@contextmanager
def heading(title: str, *, lead: str = "", back: tuple[str, str] | None = None) -> Iterator[None]:
    """Put the title of the page; the block puts its buttons beside it. `back` is a path and its name."""
    with ui.element("header").classes("m-heading"):
        with ui.element("div").classes("m-heading-words"):
            if back is not None:
                with link(back[0]).classes("m-back"):
                    icon("arrow_back")
                    text(back[1])
            text(title, tag="h1").classes("m-title")
            if lead:
                text(lead, tag="p").classes("m-lead")
        with ui.element("div").classes("m-actions"):
            yield


def _theme_switch(visit: Visit) -> None:
    chosen = visit.cookies.get(THEME, "system")
    state = {"theme": chosen if chosen in _THEMES else "system"}
    dark = ui.dark_mode(_THEMES[state["theme"]][0])
    switch = button("", icon_name=_THEMES[state["theme"]][1], label="", kind="quiet")

    def describe() -> None:
        theme = state["theme"]
        switch.props["icon"] = _THEMES[theme][1]
        switch.props["aria-label"] = f"Theme: {theme}. Change to {_THEMES[theme][2]}."
        switch.props["title"] = f"Theme: {theme}"

    def turn() -> None:
        theme = state["theme"] = _THEMES[state["theme"]][2]
        dark.set_value(_THEMES[theme][0])
        describe()
        switch.update()
        ui.run_javascript(
            f"document.cookie = '{THEME}={theme}; path=/; max-age=31536000; samesite=lax';"
            f"document.documentElement.dataset.theme = '{theme}'"
        )

    describe()
    switch.on("click", turn)


def _who(visit: Visit) -> None:
    with ui.element("div").classes("m-who"):
        text(visit.principal.name, tag="span").classes("m-who-name")
        text(visit.principal.role, tag="span").classes("m-who-role")
    with ui.element("form").props("method=post action=/sign-out").classes("m-out"):
        sign_out = button("", icon_name="logout", label="Sign out", kind="quiet")
        sign_out.props["type"] = "submit"
