"""A new installation lets its first administrator in by a browser; a database that goes away is told and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect
from tests.browser.world import PASSWORD, fill, running_console, signed_in
from tests.waiting import eventually

from muster_console.operation.access import list_people
from muster_core.security.role import Role

pytestmark = [pytest.mark.integration, pytest.mark.long]


def test_a_new_installation_lets_its_first_administrator_in(
    browser: Browser, own_database: str, redis_url: str, tmp_path: Path
) -> None:
    with running_console(tmp_path, own_database, redis_url) as console:
        # from elsewhere, or under a name that somebody rebinds, nobody becomes administrator
        elsewhere = {"Host": "evil.example", "Origin": "http://evil.example"}
        fields = {"name": "eve", "password": PASSWORD}
        answer = httpx.post(f"{console.address}/set-up", data=fields, headers=elsewhere)
        assert "on the machine Muster runs on" in answer.text
        assert list_people(console.workspace) == []
        with signed_in(browser, console, None) as page:
            page.goto("/")
            page.get_by_label("Name").fill("anna")
            page.get_by_label("Password").fill("short")
            page.get_by_role("button", name="Begin").click()
            expect(page.get_by_role("alert")).to_contain_text("the password cannot be used")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Begin").click()
            expect(page.get_by_role("heading", name="No segments yet")).to_be_visible()
            expect(page.get_by_role("button", name="Make the first segment")).to_be_visible()
        (anna,) = list_people(console.workspace)
        assert (anna.name, anna.role, anna.members) == ("anna", Role.ADMINISTRATOR, True)
        again = {"Origin": console.address}
        answer = httpx.post(f"{console.address}/set-up", data=fields, headers=again)
        assert "The first administrator is there already" in answer.text


def test_a_database_that_is_gone_is_told_and_the_page_comes_back(
    browser: Browser, own_database: str, redis_url: str, tmp_path: Path
) -> None:
    port = urlsplit(own_database).port
    assert port is not None
    with _cable(port) as (near, cut):
        through = own_database.replace(f":{port}/", f":{near}/")
        with running_console(tmp_path, through, redis_url) as console:
            fill(console, tmp_path)
            with signed_in(browser, console, "viewer") as page:
                page.goto("/segments")
                expect(page.get_by_role("link", name="segment_001")).to_be_visible()
                # When the database is gone
                cut()
                # Then the page says so and keeps what it showed
                banner = page.get_by_role("alert").filter(has_text="tries again by itself")
                expect(banner).to_be_visible(timeout=60_000)
                expect(page.get_by_role("link", name="segment_001")).to_be_visible()
                other = page.context.new_page()
                other.goto("/runs", timeout=60_000)
                expect(other.get_by_role("heading")).to_contain_text("cannot answer right now")
                # and comes back with it
                cut()
                expect(banner).to_be_hidden(timeout=60_000)
                expect(other.get_by_role("heading", name="Runs", level=1)).to_be_visible(
                    timeout=60_000
                )


@contextmanager
def _cable(far: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """A relay to the port `far`: its port, and what cuts it or, the second time, joins it again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        near = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.chaos.proxy", str(near), str(far)]
    processes = [subprocess.Popen(command)]

    def turn() -> None:
        if processes[-1].poll() is None:
            os.kill(processes[-1].pid, signal.SIGKILL)
            processes[-1].wait()
        else:
            processes.append(subprocess.Popen(command))

    try:
        eventually(lambda: _answers(near))
        yield near, turn
    finally:
        if processes[-1].poll() is None:
            processes[-1].kill()
        for process in processes:
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
