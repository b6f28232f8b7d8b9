"""What is photographed: pages, and what is done on them first."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page
from tests.browser.hand import choose

_SEGMENT = "/segments/lapsed_vips"
Act = Callable[[Page], None]
#: A name, a path, and what is done there first.
Scene = tuple[str, str, Act | None]


def _click(name: str, role: str = "button") -> Act:
    return lambda page: page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]


def _choose_two(page: Page) -> None:
    for box in page.locator("td.m-pick input").all()[:2]:
        box.check()


def _hover_trend(page: Page) -> None:
    page.locator(".m-trend").scroll_into_view_if_needed()
    page.locator(".m-trend").hover(position={"x": 200, "y": 100})


def _delete_two(page: Page) -> None:
    _choose_two(page)
    page.locator(".m-bulk summary").click()
    page.locator(".m-bulk").get_by_role("button", name="Delete").click()


def _wrong_password(page: Page) -> None:
    page.get_by_label("Name").fill("Anna Berg")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()


def _navigation(page: Page) -> None:
    burger = page.get_by_role("button", name="Navigation")
    if burger.is_visible():
        burger.click()


def _open_condition(page: Page) -> None:
    page.locator(".m-line-main").first.click()


def _leave_open(page: Page) -> None:
    """Add a condition, and choose nothing in it; then one that asks for what the data has not."""
    page.get_by_role("button", name="Add the first condition").click()
    page.get_by_role("button", name="Attribute").click()
    page.get_by_role("heading", name="To mend").wait_for()
    expression = page.get_by_label("Rule 1", exact=True).last
    expression.fill("contry = 'GB' and count(orders, last 30 days) >= 'many'")
    expression.blur()


def _carry(page: Page) -> None:
    page.get_by_role("button", name="Carry a column").click()
    choose(page, "of", "orders")
    choose(page, "carried column", "total")


#: Of the shop of the demo.
SCENES: tuple[Scene, ...] = (
    ("segments", "/segments", None),
    ("segments-active", "/segments?state=active&tags=value", None),
    ("segments-nothing", "/segments?state=draft&tags=value", None),
    ("segments-chosen", "/segments", _choose_two),
    ("segments-delete", "/segments", _delete_two),
    ("segments-keys", "/segments", lambda page: page.keyboard.press("?")),
    ("navigation", "/segments", _navigation),
    ("segment", _SEGMENT, None),
    ("segment-hover", _SEGMENT, _hover_trend),
    ("segment-never", "/segments/berlin_openings", None),
    ("segment-members", f"{_SEGMENT}/members", None),
    ("segment-rules", f"{_SEGMENT}/rules", None),
    ("segment-insights", f"{_SEGMENT}/insights?with=never_ordered&with=large_baskets", None),
    ("segment-exports", f"{_SEGMENT}/exports", None),
    ("segment-versions", f"{_SEGMENT}/versions", None),
    ("segment-why", f"{_SEGMENT}/why", None),
    ("segment-unknown", "/segments/lapsed_vip", None),
    ("new-segment", "/new-segment", None),
    ("new-segment-kinds", "/new-segment", _click("Add the first condition")),
    ("builder", f"{_SEGMENT}/edit", None),
    ("builder-open", f"{_SEGMENT}/edit", _open_condition),
    ("builder-wrong", "/new-segment", _leave_open),
    ("builder-carried", f"{_SEGMENT}/edit", _carry),
    ("builder-yaml", f"{_SEGMENT}/edit", _click("YAML", "tab")),
    ("quick-segment", "/quick-segment", None),
    ("quick-segment-city", "/quick-segment?table=customers&column=city", None),
    ("runs", "/runs", None),
    ("runs-queue", "/runs/queue", None),
    ("runs-held", "/runs/held", None),
    ("runs-history", "/runs/history", None),
    ("run", "/runs/1", None),
    ("run-system", "/runs/system/1", None),
    ("exports", "/exports", None),
    ("export", "/exports/newsletter", None),
    ("export-edit", "/exports/newsletter/edit", None),
    ("export-new", "/exports/new", None),
    ("deliveries", "/exports/deliveries", None),
    ("connections", "/exports/connections", None),
    ("connection-new", "/exports/connections/new", None),
    ("catalog", "/catalog", None),
    ("catalog-table", "/catalog/orders", None),
    ("catalog-edit", "/edit-catalog", None),
    ("measures", "/measures", None),
    ("measure", "/measures/lifetime_value", None),
    ("measure-new", "/new-measure", None),
    ("settings", "/settings", None),
    ("settings-users", "/settings/users", None),
    ("settings-audit", "/settings/audit", None),
    ("settings-erasures", "/settings/erasures", None),
    ("settings-service", "/settings/service", None),
    ("settings-services", "/settings/services", None),
    ("sign-in", "/sign-in", None),
    ("sign-in-wrong", "/sign-in", _wrong_password),
)
#: Of the same while nothing but the console and the servers works.
SILENT: tuple[Scene, ...] = (
    ("silent-segments", "/segments", None),
    ("silent-services", "/settings/services", None),
)
#: Of an installation that somebody has just begun.
EMPTY: tuple[Scene, ...] = (
    ("empty-segments", "/segments", None),
    ("empty-new-segment", "/new-segment", None),
    ("empty-quick-segment", "/quick-segment", None),
    ("empty-runs", "/runs", None),
    ("empty-runs-history", "/runs/history", None),
    ("empty-exports", "/exports", None),
    ("empty-exports-new", "/exports/new", None),
    ("empty-connections", "/exports/connections", None),
    ("empty-catalog", "/catalog", None),
    ("empty-catalog-edit", "/edit-catalog", None),
    ("empty-measures", "/measures", None),
    ("empty-measures-new", "/new-measure", None),
    ("empty-settings-services", "/settings/services", None),
)
#: Of one that nobody has come into yet.
NOBODY: tuple[Scene, ...] = (("empty-set-up", "/", None),)
