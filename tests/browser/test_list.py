"""The list of segments: live, over all of them, in an order the browser remembers, on narrow screens, too."""

from __future__ import annotations

import json
import re
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, expect
from tests.browser.look import serious, settled
from tests.browser.world import Console, apply, signed_in
from tests.waiting import eventually

from muster_console.operation.segment import list_segments
from muster_core.storage.database import transaction
from muster_core.storage.segment_life import delete_segment

pytestmark = [pytest.mark.integration]
#: More than twice as many as are shown at once.
_MORE = 140


def test_the_list_shows_changes_by_itself(browser: Browser, console: Console) -> None:
    name = "zz_comes_and_goes"
    with signed_in(browser, console, "viewer") as page:
        page.goto("/segments")
        page.get_by_label("Search by name").fill(name)
        expect(page.get_by_text("Nothing fits the search")).to_be_visible()
        console.desk.apply(name)
        expect(page.get_by_role("link", name=name)).to_be_visible()
        with transaction(console.workspace.database) as connection:
            delete_segment(connection, name)
        expect(page.get_by_role("link", name=name)).to_be_hidden()
    assert name not in [line.name for line in list_segments(console.workspace)]


@pytest.mark.long
def test_a_clean_up_exemption_is_given_and_taken_back(browser: Browser, console: Console) -> None:
    console.desk.apply("exempted")
    with signed_in(browser, console, "administrator") as page:
        for action, allowed in (("Never clean up", False), ("Clean up when unused", True)):
            settled(page, "/segments")
            page.get_by_label("Search by name").fill("exempted")
            page.get_by_role("row").filter(has_text="exempted").get_by_role("checkbox").check()
            page.locator(".m-bulk summary").click()
            page.locator(".m-bulk").get_by_role("button", name=action).click()
            eventually(partial(_cleaned, console, "exempted", allowed), 60)
    with transaction(console.workspace.database) as connection:
        delete_segment(connection, "exempted")


def _cleaned(console: Console, name: str, allowed: bool) -> bool:
    """Whether clean-up may deactivate the segment, as `allowed` says."""
    (line,) = [line for line in list_segments(console.workspace) if line.name == name]
    return line.auto_cleanup is allowed


@pytest.fixture(scope="module")
def listed(console: Console) -> Console:
    """A console with segments whose names sort before all others of its database."""
    documents = [
        {
            "name": f"many_{place:03}",
            "tags": ["even" if place % 2 == 0 else "odd"],
            "state": "draft" if place == _MORE - 1 else "active",
            "rules": [{"where": {"kind": "everyone"}}],
        }
        for place in range(_MORE)
    ]
    apply(console.workspace, documents)
    return console


def test_the_page_brings_only_what_is_seen_first(listed: Console) -> None:
    cookie = {"Cookie": f"muster_session={listed.token('viewer')}"}

    def brought() -> set[str]:
        answer = httpx.get(f"{listed.address}/segments?tags=odd", headers=cookie, timeout=60)
        return set(re.findall(r"many_\d{3}", answer.text))

    # a console that was looked at just now tells of what is a second old
    eventually(brought, 60)
    assert brought() == {f"many_{place:03}" for place in range(1, 101, 2)}


def test_search_filters_order_and_pages_are_over_all_segments(
    browser: Browser, listed: Console
) -> None:
    with signed_in(browser, listed, "viewer") as page:
        page.goto("/segments")
        expect(page.get_by_role("status").filter(has_text=f"{_MORE + 40} segments")).to_be_visible()
        expect(page.locator(".m-table tbody a").first).to_have_text("many_000")
        tags = page.locator(".m-filter", has_text="Tags").get_by_role("combobox")
        # until every row is there it cannot say how many each tag has
        expect(tags).to_be_enabled()
        tags.select_option("odd")
        of_all = f"{_MORE // 2} of {_MORE + 40} segments"
        expect(page.get_by_role("status").filter(has_text=of_all)).to_be_visible()
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_role("link", name="many_101", exact=True)).to_be_visible()
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("Search by name").fill(f"many_{_MORE - 1}")
        expect(page.get_by_role("link", name=f"many_{_MORE - 1}", exact=True)).to_be_visible()


def test_an_order_the_browser_remembers_is_kept_from_the_first_row_on(
    browser: Browser, listed: Console
) -> None:
    kept = json.dumps({"sort": {"name": "name", "down": True}})
    with signed_in(browser, listed, "viewer") as page:
        page.goto("/segments")
        page.evaluate("(kept) => localStorage.setItem('muster.segments', kept)", kept)
        page.goto("/segments")
        expect(page.locator(".m-table tbody a").first).to_have_text("segment_039")


def test_what_changes_reaches_a_long_list(browser: Browser, listed: Console) -> None:
    with signed_in(browser, listed, "viewer") as page:
        page.goto("/segments")
        page.get_by_label("Search by name").fill("many_comes_late")
        expect(page.get_by_text("Nothing fits the search")).to_be_visible()
        listed.desk.apply("many_comes_late")
        expect(page.get_by_role("link", name="many_comes_late")).to_be_visible()


def test_a_narrow_list_is_sorted_by_choosing(browser: Browser, listed: Console) -> None:
    with signed_in(browser, listed, "viewer", viewport={"width": 390, "height": 800}) as page:
        page.goto("/segments")
        by = page.locator(".m-sort", has_text="Sort by").get_by_role("combobox")
        expect(by.locator("option:checked")).to_have_text("Name")
        page.locator(".m-sort", has_text="Order").get_by_role("combobox").select_option("down")
        expect(page.locator(".m-table tbody a").first).to_have_text("segment_039")
        page.goto("/catalog")
        # nothing is chosen: the profile comes first
        expect(by.locator("option:checked")).to_have_text("As listed")
        expect(page.locator(".m-table tbody a").first).to_have_text("customers")
        expect(page.locator(".m-sort", has_text="Order")).to_have_count(0)
        by.select_option("Table")
        page.locator(".m-sort", has_text="Order").get_by_role("combobox").select_option("down")
        expect(page.locator(".m-table tbody a").first).to_have_text("orders")


def test_keys_are_listed_search_and_can_be_turned_off(browser: Browser, listed: Console) -> None:
    with signed_in(browser, listed, "viewer") as page:
        page.goto("/segments")
        expect(page.locator(".m-table tbody a").first).to_be_visible()
        page.keyboard.press("/")
        expect(page.get_by_label("Search by name")).to_be_focused()
        page.keyboard.type("many_001?")
        expect(page.get_by_label("Search by name")).to_have_value("many_001?")
        page.get_by_role("button", name="Keys").click()
        keys = page.get_by_role("dialog", name="Keys")
        expect(keys).to_contain_text("Search the list")
        assert not serious(page)
        keys.get_by_role("checkbox").uncheck()
        page.keyboard.press("Escape")
        expect(keys).to_be_hidden()
        page.locator("h1").click()
        page.keyboard.press("/")
        expect(page.get_by_label("Search by name")).not_to_be_focused()
