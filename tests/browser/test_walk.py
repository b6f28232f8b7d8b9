"""From an empty installation to delivered files without the command line; what each role may open; services gone."""

from __future__ import annotations

import csv
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.hand import choose
from tests.browser.world import PASSWORD
from tests.running import Parts

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]

#: A machine that others use, too, may take its time.
_PATIENCE = 120_000
_CUSTOMERS = 300


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """Every part, as `muster up` starts them, with nothing in it."""
    running = Parts(tmp_path_factory.mktemp("walk"))
    try:
        # a busy machine starts eight processes slowly
        running.muster("up", "--detach", seconds=600)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def anna(browser: Browser, installation: Parts) -> Iterator[Page]:
    """The first administrator, who has come in."""
    context = _context(browser, installation)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="No segments yet")).to_be_visible()
    expect.set_options(timeout=_PATIENCE)
    yield page
    expect.set_options(timeout=60_000)
    context.close()


def _context(browser: Browser, installation: Parts) -> BrowserContext:
    address = installation.part("console")["address"]
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_PATIENCE)
    return context


def _shop(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    keys = [f"C{number:04}" for number in range(_CUSTOMERS)]
    countries = ["GB" if number % 3 == 0 else "DE" for number in range(_CUSTOMERS)]
    pq.write_table(pa.table({"id": keys, "country": countries}), folder / "customers.parquet")
    at = pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * _CUSTOMERS, pa.timestamp("us", "UTC"))
    orders = pa.table({"no": list(range(_CUSTOMERS)), "customer": keys, "at": at})
    pq.write_table(orders, folder / "orders.parquet")


def _write(page: Page, label: str, value: str, place: int = -1) -> None:
    field = page.get_by_label(label, exact=True).nth(place)
    field.fill(value)
    field.blur()


def test_from_nothing_to_delivered_files(anna: Page, installation: Parts) -> None:
    _shop(installation.home / "data")
    _add_data(anna, installation.home / "data")
    _read_it(anna)
    _build_segment(anna)
    _see_it_fresh(anna)
    _give_it_times(anna)
    _deliver(anna, installation.home / "out")
    files = list((installation.home / "out").rglob("*.csv"))
    rows = [row for file in files for row in csv.DictReader(file.read_text().splitlines())]
    assert {row["id"] for row in rows} == {f"C{n:04}" for n in range(0, _CUSTOMERS, 3)}


def _add_data(page: Page, data: Path) -> None:
    page.goto("/catalog")
    page.get_by_role("button", name="Add your data").click()
    expect(page.get_by_role("heading", name="Your first data")).to_be_visible()
    _write(page, "file, folder or address", str(data / "customers.parquet"))
    page.get_by_role("button", name="Read the columns of customers").click()
    expect(page.get_by_text("300 rows, 2 columns")).to_be_visible()
    choose(page, "key", "id · text")
    document = page.get_by_label("YAML", exact=True)
    expect(document).to_have_value(re.compile("key: id"))
    page.get_by_role("button", name="Add a table").click()
    # the form is drawn anew: until it is, the last name is still that of the customers
    expect(page.get_by_role("heading", name="Table table_1")).to_be_visible()
    _write(page, "name of the table", "orders")
    expect(page.get_by_role("heading", name="Table orders")).to_be_visible()
    _write(page, "file, folder or address", str(data / "orders.parquet"))
    page.get_by_role("button", name="Read the columns of orders").click()
    expect(page.get_by_text("300 rows, 3 columns")).to_be_visible()
    choose(page, "time", "at · ")
    expect(document).to_have_value(re.compile("time: at"))
    choose(page, "row key", "no")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add a relationship").click()
    choose(page, "from", "orders.customer")
    expect(document).to_have_value(re.compile(r"from: orders\.customer\n  to: customers\.id"))
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("The catalog fits the data")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/catalog")
    expect(page.get_by_role("link", name="orders", exact=True)).to_be_visible()


def _read_it(page: Page) -> None:
    """Begin with everybody: a refresh of that reads the data, and there are values to choose from."""
    page.get_by_role("button", name="Begin with a segment of all customers").click()
    page.wait_for_url("**/segments/all_customers")
    expect(page.locator("dd").first).to_have_text(str(_CUSTOMERS), timeout=300_000)


def _build_segment(page: Page) -> None:
    page.goto("/segments")
    page.get_by_role("button", name="New segment").click()
    _write(page, "name", "british")
    page.get_by_role("button", name="Add the first condition").click()
    page.get_by_role("button", name=re.compile("^Attribute")).click()
    choose(page, "column", "country · text")
    choose(page, "value", "GB · 100")
    expect(page.get_by_label("Rule 1", exact=True).last).to_have_value("country = 'GB'")
    expect(page.locator(".m-big")).to_have_text("100")
    page.get_by_role("button", name="Save and run").click()
    page.wait_for_url("**/segments/british")


def _see_it_fresh(page: Page) -> None:
    expect(page.locator("dd").first).to_have_text("100", timeout=300_000)
    expect(page.locator(".m-page")).to_contain_text("successful")


def _give_it_times(page: Page) -> None:
    page.goto("/segments/british/edit")
    choose(page, "schedule", "at times of its own")
    _write(page, "at", "04:30")
    cron = page.get_by_label("cron: minute hour day month weekday")
    expect(cron).to_have_value("30 4 * * *")
    _write(page, "zone, such as Europe/London", "Europe/London")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/segments/british")
    page.get_by_text("The next times").click()
    expect(page.locator(".m-times li")).to_have_count(5)


def _deliver(page: Page, out: Path) -> None:
    out.mkdir()
    page.goto("/exports/connections/new")
    choose(page, "Kind", "folder on this machine")
    _write(page, "Path", str(out))
    _write(page, "Name", "shelf")
    page.get_by_role("button", name="Save and test").click()
    page.wait_for_url("**/exports/connections")
    expect(page.locator(".m-table tbody")).to_contain_text("ok")
    page.goto("/exports/new?segment=british")
    _write(page, "Name", "letters")
    choose(page, "Connection", "shelf")
    choose(page, "Columns", "country")
    page.keyboard.press("Escape")
    expect(page.get_by_label("YAML or JSON")).to_have_value(re.compile("connection: shelf"))
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("Nothing keeps this export from being delivered")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/exports/letters")
    page.get_by_role("button", name="Deliver now").click()
    expect(page.get_by_role("table", name=re.compile("eliver"))).to_contain_text("100")


_WORDS = {
    "worker": "No worker has been heard of",
    "scheduler": "No scheduler has been heard of",
    "engine": "No worker finds its engine",
    "exporter": "No exporter has been heard of",
    "valkey": "look at Redis",
    "postgres": "tries again by itself",
    "console": "Connection lost",
}


@pytest.mark.parametrize("part", sorted(_WORDS))
def test_a_killed_service_is_told_on_an_open_page_which_comes_back(
    anna: Page, installation: Parts, part: str
) -> None:
    anna.goto("/segments")
    expect(anna.get_by_role("heading", name="Segments", level=1)).to_be_visible(timeout=_PATIENCE)
    # what is not said any more may stay in the page, hidden
    said = anna.get_by_text(_WORDS[part]).filter(visible=True)
    before = installation.pid(part)
    # who would start it again at once is held
    supervisor = installation.supervisor_pid()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        installation.kill(part)
        expect(said.first).to_be_visible(timeout=_PATIENCE)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    installation.wait_until_ready(part, other_than=before, seconds=120)
    expect(said).to_have_count(0, timeout=_PATIENCE)
    anna.get_by_role("link", name="Runs", exact=True).click()
    expect(anna.get_by_role("heading", name="Runs", level=1)).to_be_visible(timeout=_PATIENCE)
