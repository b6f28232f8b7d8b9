"""What people do on a page with their hands."""

from __future__ import annotations

import re

from playwright.sync_api import Page, TimeoutError

_ATTEMPTS = 4


def choose(page: Page, label: str, option: str, *, search: str | None = None) -> None:
    """Choose an option of a field, searching for it where that is possible, by `search` or its first words.

    The answer to the choice before may redraw the form just now and shut the list; a person opens it again.
    """
    field = page.get_by_label(label, exact=True).last
    # not those of the filters above a table, which have options, too
    # a slash would end the pattern where Playwright writes it down
    pattern = re.escape(option).replace("/", r"\/")
    offered = page.locator(".q-menu").get_by_role("option", name=re.compile(f"^{pattern}"))
    found = offered.first
    for attempt in range(_ATTEMPTS):
        field.click()
        if field.evaluate("(e) => e.tagName === 'INPUT' && !e.readOnly"):
            field.fill(option.split(" ·")[0] if search is None else search)
        try:
            found.click(timeout=10_000)
        except TimeoutError:
            if attempt == _ATTEMPTS - 1:
                raise
            page.keyboard.press("Escape")
        else:
            return


def begin(page: Page, kind: str) -> None:
    """Add the first condition of a new segment."""
    page.goto("/new-segment")
    page.get_by_role("button", name="Add the first condition").click()
    page.get_by_role("button", name=re.compile(f"^{kind}")).click()
