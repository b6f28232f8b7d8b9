"""Every page for every role: it stands, it is accessible, no name in it runs anything; coming in and going out."""

from __future__ import annotations

import json
import re
from functools import partial

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from nicegui import ui
from playwright.sync_api import Browser, Page, expect
from tests.browser.world import HOSTILE, PASSWORD, Console, apply, signed_in
from tests.waiting import eventually

from muster_console.api.policy import RouteWithoutPolicy
from muster_console.operation.access import change_person, list_tokens
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.segment import apply_definitions, list_segments
from muster_console.web.page import ALL
from muster_console.web.policy import PAGES, check_pages
from muster_core.security.role import Permission
from muster_core.storage.database import transaction
from muster_core.storage.segment_life import delete_segment

pytestmark = [pytest.mark.integration]
assert ALL

#: What the parts of a path stand for in the world of these tests.
_GIVEN = {
    "number": "1",
    "name": "segment_001",
    "export": "newsletter",
    "connection": "shelf",
    "table": "customers",
    "measure": "orders_of",
}
#: More than twice as many as are shown at once.
_MORE = 140
_ALLOWED = {
    "viewer": {Permission.VIEW},
    "contributor": {Permission.VIEW, Permission.EDIT, Permission.MEMBERS},
    "administrator": set(Permission),
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
            for part in ("", "/edit", "/rules", "/members", "/versions", "/exports"):
                settled(page, f"/segments/segment_{place:03}{part}")
                unbroken(page)
        for path in ("/exports/new?segment=segment_001", "/quick-segment?table=x&column=y"):
            settled(page, path)
            unbroken(page)


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


@pytest.mark.long
def test_a_clean_up_exemption_is_given_and_taken_back(browser: Browser, console: Console) -> None:
    console.desk.apply("exempted")
    with signed_in(browser, console, "administrator") as page:
        for action, allowed in (("Never clean up", False), ("Clean up when unused", True)):
            settled(page, "/segments")
            page.get_by_label("Search by name").fill("exempted")
            page.get_by_role("row").filter(has_text="exempted").get_by_role("checkbox").check()
            page.locator("summary").filter(has_text="More").click()
            page.get_by_text(action, exact=True).click()
            eventually(partial(_cleaned, console, "exempted", allowed), 60)


def _cleaned(console: Console, name: str, allowed: bool) -> bool:
    """Whether clean-up may deactivate the segment, as `allowed` says."""
    (line,) = [line for line in list_segments(console.workspace) if line.name == name]
    return line.auto_cleanup is allowed


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


def client(console: Console) -> httpx.Client:
    return httpx.Client(base_url=console.address, headers={"Origin": console.address})


def sign_in(caller: httpx.Client, **fields: str) -> httpx.Response:
    return caller.post("/sign-in", data={"name": "viewer", "password": PASSWORD, **fields})


def test_a_password_opens_a_session_that_no_script_reads(console: Console) -> None:
    with client(console) as caller:
        answer = sign_in(caller, next="/runs?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs?x=1")
        cookie = answer.headers["set-cookie"]
        assert re.search(r"muster_session=muster_[^;]+; HttpOnly; Max-Age=43200", cookie)
        assert "SameSite=lax" in cookie
        assert caller.get("/segments").status_code == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x"],
)
def test_signing_in_leads_nowhere_else(console: Console, target: str) -> None:
    with client(console) as caller:
        assert sign_in(caller, next=target).headers["location"] == "/"


def test_a_form_of_another_page_is_refused(console: Console) -> None:
    with client(console) as caller:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
            fields = {"name": "viewer", "password": PASSWORD}
            answer = caller.post("/sign-in", data=fields, headers=headers)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers


def test_a_wrong_password_is_told_and_the_form_stays(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, None) as page:
        page.goto("/runs")
        page.get_by_label("Name").fill("viewer")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()


def test_signing_out_ends_the_session_everywhere(browser: Browser, console: Console) -> None:
    with client(console) as caller:
        session = sign_in(caller).cookies["muster_session"]
    console.tokens["leaving"] = session
    with signed_in(browser, console, "leaving") as page:
        page.goto("/segments")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    with client(console) as caller:
        answer = caller.get("/segments", headers={"Cookie": f"muster_session={session}"})
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/sign-in?next=%2Fsegments",
        )


def test_the_api_never_looks_at_cookies(console: Console) -> None:
    with client(console) as caller:
        sign_in(caller)
        answer = caller.get("/api/v1/segments")
        assert answer.status_code == 401
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_pages_run_only_scripts_with_their_nonce(console: Console) -> None:
    with client(console) as caller:
        sign_in(caller)
        answer = caller.get("/segments")
        policy = answer.headers["content-security-policy"]
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
        assert "'unsafe-inline'" not in policy.split("style-src")[0]
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in script for script in scripts)
        assert "https://" not in re.sub(r"String\.raw`.*?`", "", answer.text, flags=re.DOTALL)


def test_the_socket_is_for_pages_of_this_console(console: Console) -> None:
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    with httpx.Client(base_url=console.address) as caller:
        assert caller.get(path, headers={"Origin": "https://evil.example"}).status_code == 400
        assert caller.get(path, headers={"Origin": console.address}).status_code == 200


def test_what_is_taken_from_somebody_is_gone_with_the_next_look(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "contributor") as page:
        page.goto("/settings")
        expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
        change_person(console.workspace, "contributor", disabled=True)
        try:
            page.goto("/segments")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        finally:
            change_person(console.workspace, "contributor", disabled=False)
    names = [token.name for token in list_tokens(console.workspace, owner="contributor")]
    assert names == ["sign-in"]


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


def first_link(page: Page) -> str:
    return page.locator(".m-table tbody a").first.inner_text()


def test_the_page_brings_only_what_is_seen_first(listed: Console) -> None:
    cookie = {"Cookie": f"muster_session={listed.token('viewer')}"}
    answer = httpx.get(f"{listed.address}/segments?tags=odd", headers=cookie, timeout=60)
    brought = set(re.findall(r"many_\d{3}", answer.text))
    assert brought == {f"many_{place:03}" for place in range(1, 101, 2)}


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
        page.locator(".m-table tbody a").first.wait_for()
        assert first_link(page) == "segment_039"


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
        page.locator(".m-sort", has_text="Order").get_by_role("combobox").select_option("down")
        expect(page.locator(".m-table tbody a").first).to_have_text("segment_039")
