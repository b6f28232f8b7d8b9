"""What somebody notices of a page: whether it stands, whether a name in it ran, whether it is accessible."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

#: What the parts of a path stand for in the world of these tests.
_GIVEN = {
    "number": "1",
    "name": "segment_001",
    "export": "newsletter",
    "connection": "shelf",
    "table": "customers",
    "measure": "orders_of",
}


def path_of(path: str) -> str:
    return path.format(**_GIVEN)


def settled(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1).or_(page.locator(".m-empty")).first).to_be_visible()


def unbroken(page: Page) -> None:
    """Fail where the page at hand could not be built, or a script of a name ran in it."""
    expect(page.locator(".m-page")).not_to_contain_text("cannot be shown")
    expect(page.locator(".m-page")).not_to_contain_text("Something broke")
    assert page.evaluate("window.broken") is None, f"a script in a name ran on {page.url}"


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]
