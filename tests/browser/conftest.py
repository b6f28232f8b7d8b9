"""One browser and one console for a module."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.world import Console, fill, running_console


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium.

    Gone with its module: while Playwright's synchronous interface is open, its event loop counts as running in the
    thread of the tests, and nothing else in the same process can run one of its own.
    """
    path = find_chromium()
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def own_database(_template: str) -> Iterator[str]:
    """A migrated database for a whole module."""
    name = f"browser_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(_template, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE muster_template".encode())
    yield f"{_template.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(_template, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def console(
    own_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A console with something of everything in its database."""
    folder: Path = tmp_path_factory.mktemp("console")
    with running_console(folder, own_database, redis_url) as running:
        fill(running, folder)
        yield running
