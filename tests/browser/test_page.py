"""Every page for every role: it stands, it is accessible, no name in it runs anything."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest
from nicegui import ui
from playwright.sync_api import Browser, expect
from tests.browser.hand import begin, choose
from tests.browser.look import path_of, serious, settled, unbroken
from tests.browser.world import HOSTILE, Console, signed_in

from muster_console.api.policy import RouteWithoutPolicy
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.run import look_at_run
from muster_console.operation.saving import apply_definitions
from muster_console.web.page import ALL
from muster_console.web.policy import PAGES, check_pages
from muster_core.security.role import Permission
from muster_core.storage.database import transaction
from muster_core.storage.run import publish

pytestmark = [pytest.mark.integration]
assert ALL

_ALLOWED = {
    "viewer": {Permission.VIEW},
    "contributor": {Permission.VIEW, Permission.EDIT, Permission.MEMBERS},
    "administrator": set(Permission),
}


def test_every_page_opens_and_is_accessible_for_an_administrator(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        wrong = {}
        for path in PAGES:
            settled(page, path_of(path))
            unbroken(page)
            wrong[path] = serious(page)
        assert not any(wrong.values()), {path: found for path, found in wrong.items() if found}


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_in_both_themes_wide_and_narrow(
    browser: Browser, console: Console, theme: str, width: int
) -> None:
    cookie = {"name": "muster_theme", "value": theme, "url": console.address}
    with signed_in(
        browser, console, "administrator", viewport={"width": width, "height": 800}
    ) as page:
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        wrong = {}
        for path in PAGES:
            settled(page, path_of(path))
            expect(page.locator("body.body--dark")).to_have_count(1 if theme == "dark" else 0)
            wide = page.evaluate("document.documentElement.scrollWidth")
            found = serious(page)
            wrong[path] = found if wide <= width else [*found, f"it is {wide} px wide"]
        assert not any(wrong.values()), {path: found for path, found in wrong.items() if found}


@pytest.mark.long
@pytest.mark.parametrize("who", ["viewer", "contributor"])
def test_every_page_a_role_may_open_stands_and_offers_nothing_else(
    browser: Browser, console: Console, who: str
) -> None:
    with signed_in(browser, console, who) as page:
        for path, declared in PAGES.items():
            if declared.permission not in _ALLOWED[who]:
                continue
            settled(page, path_of(path))
            unbroken(page)
            links = page.locator(".m-page a[href^='/'], .m-nav a[href^='/']")
            for target in {link.get_attribute("href") for link in links.all()}:
                assert may_open(who, str(target)), f"{who} is led from {path} to {target}"
        settled(page, "/catalog")
        expect(page.get_by_role("button", name="Change it")).to_have_count(0)
        settled(page, "/segments")
        shown = 1 if who == "contributor" else 0
        expect(page.get_by_role("button", name="New segment")).to_have_count(shown)
        expect(page.get_by_role("button", name="Quick segment")).to_have_count(shown)


def may_open(who: str, target: str) -> bool:
    """Tell whether the page a link leads to lets this role in."""
    path = target.partition("?")[0]
    fitting = [
        page
        for page in PAGES.values()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", page.path), path)
    ]
    # a path that is fixed comes before one that names something
    fitting.sort(key=lambda page: len(page.parameters))
    return not fitting or fitting[0].permission in _ALLOWED[who]


@pytest.mark.long
def test_no_name_of_anything_runs_or_breaks_a_page(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        for place in range(len(HOSTILE)):
            for part in ("", "/edit", "/rules", "/insights", "/members", "/versions", "/exports"):
                settled(page, f"/segments/segment_{place:03}{part}")
                unbroken(page)
        for path in ("/exports/new?segment=segment_001", "/quick-segment?table=x&column=y"):
            settled(page, path)
            unbroken(page)


@pytest.mark.long
def test_no_name_of_a_column_runs_or_breaks_what_is_built_with_it(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        for path in ("/catalog/customers", "/catalog/orders", "/edit-catalog"):
            settled(page, path)
            unbroken(page)
        for name in HOSTILE:
            begin(page, "Attribute")
            choose(page, "column", name, search="")
            choose(page, "comparison", "is set")
            expect(page.locator(".m-line-words").first).to_contain_text(spoken(name))
            expect(page.get_by_label("Rule 1", exact=True).last).to_have_value(
                re.compile("is set$")
            )
            page.get_by_role("button", name="Carry a column").click()
            choose(page, "of", "orders")
            choose(page, "carried column", name, search="")
            expect(page.get_by_label("called")).to_have_value(re.compile("^[A-Za-z]"))
            page.get_by_role("tab", name="YAML").click()
            expect(page.get_by_label("Definition")).to_have_value(re.compile("table: orders"))
            expect(page.get_by_role("heading", name="To mend")).to_be_hidden()
            unbroken(page)
            settled(page, f"/quick-segment?table=customers&column={quote(name)}")
            unbroken(page)


def spoken(name: str) -> str:
    """Return the first word of a name: what follows may be shortened or shown as signs."""
    return name.split()[0][:12]


@pytest.mark.long
def test_the_system_schedule_opens_as_it_is(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/segments/segment_000")
        page.get_by_role("link", name="once the system refresh has times").click()
        page.get_by_role("button", name="Change", exact=True).click()
        page.get_by_label("Times of day").fill("06:00, 18:30")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("daily at 06:00, 18:30 UTC")).to_be_visible()
        page.get_by_role("button", name="Change", exact=True).click()
        expect(page.get_by_label("Times of day")).to_have_value("06:00, 18:30")
        page.get_by_label("Times of day").fill("")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("until it has times")).to_be_visible()


@pytest.mark.long
def test_what_the_list_offers_can_be_done_on_a_segment_itself(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/segments/segment_000")
        page.get_by_role("button", name="More to do").click()
        page.get_by_text("Tag", exact=True).click()
        page.get_by_label("Add tags").fill("from its page")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".m-tag", has_text="from its page")).to_be_visible()


@pytest.mark.long
def test_a_setting_is_changed_and_put_back(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/settings/service")
        line = page.get_by_role("row").filter(has_text="days without change")
        for typed, shown in (("30", "30"), ("", "45")):
            line.get_by_role("button").click()
            page.get_by_label("Value", exact=True).fill(typed)
            page.get_by_role("button", name="Save").click()
            expect(line.get_by_role("cell").nth(1)).to_have_text(shown)
        line.get_by_role("button").click()
        page.get_by_label("Value", exact=True).fill("many")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert").filter(has_text="valid integer")).to_be_visible()


@pytest.mark.long
def test_an_export_is_duplicated(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/exports/newsletter")
        page.get_by_role("button", name="Duplicate").click()
        page.get_by_label("Name of the copy").fill("second")
        page.get_by_role("dialog").get_by_role("button", name="Duplicate").click()
        page.wait_for_url("**/exports/second/edit")
        expect(page.get_by_label("YAML or JSON")).to_have_value(re.compile("name: second"))


@pytest.mark.long
def test_a_draft_of_a_wrong_form_is_mended_as_text(browser: Browser, console: Console) -> None:
    text = "{name: half_done, state: draft, rules: [{where: {kind: everyone, typo: 1}}]}"
    found = read_definitions_text(text, console.workspace.settings.limits, drafts=True)
    apply_definitions(console.workspace, found)
    with signed_in(browser, console, "contributor") as page:
        for part in ("", "/rules", "/versions"):
            settled(page, f"/segments/half_done{part}")
            unbroken(page)
        settled(page, "/segments/half_done/edit")
        expect(page.get_by_text("typo").first).to_be_visible()
        field = page.get_by_label("YAML", exact=True)
        field.fill(text.replace(", typo: 1", ""))
        page.get_by_role("button", name="Save as draft").click()
        expect(page.get_by_role("heading", name="Edit segment")).to_be_visible()
        unbroken(page)


def test_versions_that_are_held_back_are_published_or_rejected(
    browser: Browser, console: Console
) -> None:
    published, rejected = (_held(console, name) for name in ("emptied", "deserted"))
    with signed_in(browser, console, "viewer") as page:
        settled(page, "/runs/held")
        expect(page.get_by_role("row").filter(has_text="emptied")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/runs/held")
        page.get_by_role("button", name=f"Approve {published}", exact=True).click()
        asked = page.get_by_role("dialog", name="Publish this version?")
        expect(asked).to_contain_text("emptied then has 0 members")
        asked.get_by_role("button", name="Publish").click()
        expect(page.get_by_text("The version is published.")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="emptied")).to_have_count(0)
        page.get_by_role("button", name=f"Reject {rejected}", exact=True).click()
        asked = page.get_by_role("dialog", name="Reject this version?")
        asked.get_by_label("Why").fill(HOSTILE[0])
        asked.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("No version is held back.")).to_be_visible()
        settled(page, f"/runs/{rejected}")
        expect(page.get_by_text(f"Rejected: {HOSTILE[0]}").first).to_be_visible()
    states = [look_at_run(console.workspace, run).run for run in (published, rejected)]
    assert [(run.state, run.reason) for run in states] == [
        ("published", None),
        ("cancelled", "rejected"),
    ]


def _held(console: Console, name: str) -> int:
    """Refresh a segment until a version of it is held back, for it would be empty; return that run."""
    desk = console.desk
    desk.apply(name)
    for members in (100, 100, 100, 0):
        (asked,) = desk.request([name])
        # others may wait, too: they run on, and nobody evaluates them
        claim = desk.must_claim()
        while asked.run_id not in claim.run_ids:
            claim = desk.must_claim()
        desk.evaluate(claim, [asked.run_id], members=members)
        with transaction(console.workspace.database) as connection:
            state = publish(connection, claim)[asked.run_id]
    assert state == "held"
    return asked.run_id


def test_every_page_lets_in_whom_its_permission_names(console: Console) -> None:
    with httpx.Client(base_url=console.address) as caller:
        for path, declared in PAGES.items():
            nobody = caller.get(path_of(path))
            assert (nobody.status_code, nobody.headers["location"][:9]) == (303, "/sign-in?"), path
            for who, allowed in _ALLOWED.items():
                cookie = {"Cookie": f"muster_session={console.token(who)}"}
                answer = caller.get(path_of(path), headers=cookie)
                expected = 200 if declared.permission in allowed else 403
                assert answer.status_code == expected, (path, who)


def test_a_page_without_a_permission_stops_the_start() -> None:
    ui.page("/nobody-thought-of-this")(lambda: None)
    with pytest.raises(RouteWithoutPolicy, match="/nobody-thought-of-this names no permission"):
        check_pages(set(PAGES))


@pytest.mark.long
def test_an_open_page_recovers_when_the_console_was_restarted(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "viewer") as page:
        page.goto("/segments")
        expect(page.get_by_role("link", name="segment_001")).to_be_visible()
        console.stop()
        expect(page.get_by_text("Connection lost")).to_be_visible()
        console.start()
        expect(page.get_by_text("Connection lost")).to_be_hidden()
        page.get_by_label("Search by name").fill("segment_002")
        expect(page.get_by_role("link", name="segment_002")).to_be_visible()
