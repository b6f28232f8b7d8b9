"""Every page, opened by every role: it stands, it is accessible, and no name in it runs anything."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.browser.world import Console, signed_in

from muster_console.web.mount import ALL
from muster_console.web.policy import PAGES
from muster_core.security.role import Permission

pytestmark = [pytest.mark.integration]
assert ALL

#: What the parts of a path stand for in the world of these tests.
_GIVEN = {
    "number": "1",
    "name": "segment_001",
    "export": "newsletter",
    "table": "customers",
    "measure": "orders_of",
}
_ALLOWED = {
    "viewer": {Permission.VIEW},
    "administrator": {Permission.VIEW, Permission.EDIT, Permission.ADMINISTER, Permission.MEMBERS},
}


def path_of(path: str) -> str:
    return path.format(**_GIVEN)


def settled(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1).or_(page.locator(".m-empty")).first).to_be_visible()


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]


def test_every_page_opens_and_is_accessible_for_an_administrator(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        wrong = {}
        for path in PAGES:
            settled(page, path_of(path))
            expect(page.locator(".m-page")).not_to_contain_text("cannot be shown")
            wrong[path] = serious(page)
        assert not any(wrong.values()), {path: found for path, found in wrong.items() if found}


def test_every_page_lets_in_whom_its_permission_names(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "viewer") as page:
        for path, declared in PAGES.items():
            answer = page.goto(path_of(path))
            assert answer is not None
            allowed = declared.permission in _ALLOWED["viewer"]
            assert answer.status == (200 if allowed else 403), path
            if not allowed:
                expect(page.get_by_text("This page is not for you")).to_be_visible()
