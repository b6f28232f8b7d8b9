"""Coming in and going out: sessions that no script reads, forms of this console only, scripts with their nonce."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect
from tests.browser.world import PASSWORD, Console, invite, running_console, signed_in

from muster_console.operation.access import change_person, list_tokens

pytestmark = [pytest.mark.integration]


@pytest.fixture(scope="module")
def console(
    own_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A console with nothing in it but people."""
    with running_console(tmp_path_factory.mktemp("door"), own_database, redis_url) as running:
        invite(running.workspace)
        yield running


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


def test_nothing_has_a_nul_in_its_name(console: Console) -> None:
    cookie = {"Cookie": f"muster_session={console.token('viewer')}"}
    with client(console) as caller:
        for path in ("/exports/a%00b", "/measures/%00", "/download?name=%00", "/%00", "/asset/%00"):
            answer = caller.get(path, headers=cookie)
            assert (answer.status_code, answer.text) == (404, "Nothing has a NUL in its name.")


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
