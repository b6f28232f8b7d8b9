"""What people do from day to day, by clicking: each thing is done, told, and there afterwards."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, TimeoutError, expect
from tests.browser.hand import choose
from tests.browser.look import settled, unbroken
from tests.browser.world import Console, signed_in
from tests.waiting import eventually

from muster_console.operation.access import list_people, list_tokens
from muster_console.operation.connection import list_connections
from muster_console.operation.erasure import list_receipts
from muster_console.operation.export import apply_export_documents, get_export
from muster_console.operation.run import look_at_runs
from muster_console.operation.segment import list_segments, show_segment
from muster_core.exports.document import ExportCron, parse_export
from muster_core.security.role import Role

pytestmark = [pytest.mark.integration, pytest.mark.long]


def closed(opened: Locator) -> bool:
    """Press a dialog's Close and return whether it is gone."""
    with suppress(TimeoutError):
        opened.get_by_role("button", name="Close", exact=True).click(timeout=2_000)
    return not opened.is_visible()


def dialog(page: Page, name: str) -> None:
    """Press a button of the dialog that is open, and wait until it is gone."""
    opened = page.get_by_role("dialog").last
    opened.get_by_role("button", name=name, exact=True).click()
    expect(opened).to_be_hidden()


def test_clean_up_says_first_what_it_would_do(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/settings/service")
        page.get_by_role("button", name="See what it would do").click()
        expect(page.get_by_text(re.compile("Nothing|would")).last).to_be_visible()
        unbroken(page)


def test_a_segment_is_renamed_copied_and_deleted(browser: Browser, console: Console) -> None:
    console.desk.apply("short_lived")
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/segments/short_lived")
        page.get_by_role("button", name="More to do").press("Enter")
        entries = page.locator(".m-menu .q-item")
        expect(entries.first).to_be_visible()
        for key, entry in (("ArrowDown", entries.first), ("ArrowUp", entries.last)):
            page.keyboard.press(key)
            expect(entry).to_be_focused()
        page.get_by_text("Rename", exact=True).click()
        page.get_by_label("Display name").fill("Short lived")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="Short lived", level=1)).to_be_visible()
        page.get_by_role("button", name="More to do").click()
        page.get_by_text("Duplicate", exact=True).click()
        page.get_by_label("Name of the copy").fill("longer_lived")
        page.get_by_role("dialog").get_by_role("button", name="Duplicate").click()
        page.wait_for_url("**/segments/longer_lived/edit")
        settled(page, "/segments/short_lived")
        page.get_by_role("button", name="More to do").click()
        page.get_by_text("Delete", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.wait_for_url("**/segments")
    names = [line.name for line in list_segments(console.workspace)]
    assert "longer_lived" in names
    assert "short_lived" not in names


def test_an_export_is_paused_resumed_and_delivered(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/exports/newsletter")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        assert not get_export(console.workspace, "newsletter").active
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        unbroken(page)


def test_a_run_that_waits_is_cancelled(browser: Browser, console: Console) -> None:
    waiting = look_at_runs(console.workspace, segment=None, state="active", limit=500)
    run = min(found.run_id for found in waiting if found.state == "pending")
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/runs/queue")
        line = page.get_by_role("row").filter(
            has=page.get_by_role("link", name=str(run), exact=True)
        )
        line.get_by_role("button", name="Cancel run").click()
        dialog(page, "Cancel the run")

        def cancelled() -> bool:
            left = look_at_runs(console.workspace, segment=None, state="active", limit=500)
            return run not in [found.run_id for found in left]

        eventually(cancelled, 60)


def test_a_connection_is_made(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/exports/connections/new")
        choose(page, "Kind", "folder on this machine")
        page.get_by_label("Path", exact=True).fill(str(console.workspace.settings.home / "out"))
        page.get_by_label("Name", exact=True).fill("second_shelf")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/exports/connections")
        expect(page.get_by_role("row").filter(has_text="second_shelf")).to_be_visible()
    assert "second_shelf" in [found.name for found in list_connections(console.workspace)]


def test_an_export_is_made_by_choosing_what_becomes_of_its_columns(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/exports/new?segment=segment_000")
        page.get_by_label("Name", exact=True).fill("letters")
        choose(page, "Connection", "shelf")
        choose(page, "Never send members of", "segment_001")
        page.keyboard.press("Escape")
        page.get_by_label("Share of all customers never sent, %").fill("2,5")
        choose(page, "Columns", "country")
        page.keyboard.press("Escape")
        called = page.get_by_label("called", exact=True)
        called.fill("land")
        called.blur()
        choose(page, "form", "small letters")
        choose(page, "hash", "hashed")
        document = page.get_by_label("YAML or JSON")
        expect(document).to_have_value(re.compile("hash: sha256"))
        page.get_by_role("button", name="Deliver country once more").click()
        expect(document).to_have_value(re.compile("as: country_2"))
        choose(page, "When", "at times of its own")
        expect(document).to_have_value(re.compile(r'cron: "0 6 \* \* \*", timezone: UTC'))
        at = page.get_by_label("at", exact=True)
        at.fill("06:30")
        at.blur()
        choose(page, "on", "Monday")
        page.keyboard.press("Escape")
        expect(document).to_have_value(re.compile(r'cron: "30 6 \* \* 1"'))
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/exports/letters")
        expect(page.get_by_text("06:30 Mon, UTC")).to_be_visible()
    made = get_export(console.workspace, "letters").document
    assert [column.header for column in made.columns] == ["land", "country_2"]
    assert made.suppress == ["segment_001"]
    assert made.holdout is not None
    assert made.holdout.percent == 2.5
    assert made.schedule == ExportCron(cron="30 6 * * 1")


def test_times_that_are_no_time_of_a_day_stay_as_an_export_has_them(
    browser: Browser, console: Console
) -> None:
    often = {"cron": "*/20 8-17 * * 1-5", "timezone": "Europe/Berlin"}
    document = parse_export(
        {"name": "often", "connection": "shelf", "segments": ["segment_000"], "schedule": often}
    )
    apply_export_documents(console.workspace, [document])
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/exports/often/edit")
        expect(page.get_by_label("at", exact=True)).to_have_value("")
        cron = page.get_by_label("cron: minute hour day month weekday")
        expect(cron).to_have_value(often["cron"])
        expect(page.get_by_text("more than one time of a day")).to_be_visible()
        page.get_by_label("Description").fill("three times an hour")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/exports/often")
        assert get_export(console.workspace, "often").document.schedule == ExportCron(**often)
        # what is written as the document is shown by the fields, and the other way round
        settled(page, "/exports/often/edit")
        text = page.get_by_label("YAML or JSON")
        text.fill(text.input_value().replace("*/20 8-17 * * 1-5", "15 9 * * 1-5"))
        text.blur()
        expect(page.get_by_label("at", exact=True)).to_have_value("09:15")
        zone = page.get_by_label("zone, such as Europe/London")
        expect(zone).to_have_value("Europe/Berlin")
        zone.fill("")
        zone.blur()
        expect(page.get_by_text("Times are meant in UTC.")).to_be_visible()
        expect(text).not_to_have_value(re.compile("timezone"))
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/exports/often")
    assert get_export(console.workspace, "often").document.schedule == ExportCron(
        cron="15 9 * * 1-5"
    )


def test_who_saves_an_export_or_a_measure_second_is_told_and_loses_nothing(
    browser: Browser, console: Console
) -> None:
    shared = {"name": "shared", "connection": "shelf", "segments": ["segment_000"]}
    apply_export_documents(console.workspace, [parse_export(shared)])
    for path, label in (("/exports/shared", "Description"), ("/measures/orders_of", "description")):
        with (
            signed_in(browser, console, "administrator") as one,
            signed_in(browser, console, "administrator") as two,
        ):
            for page, words in ((one, "first"), (two, "second")):
                settled(page, f"{path}/edit")
                field = page.get_by_label(label, exact=True)
                field.fill(words)
                field.blur()
                expect(
                    page.get_by_label("Definition").or_(page.get_by_label("YAML or JSON"))
                ).to_have_value(re.compile(f"description: {words}"))
            one.get_by_role("button", name="Save", exact=True).click()
            one.wait_for_url(f"**{path}")
            two.get_by_role("button", name="Save", exact=True).click()
            met = two.get_by_role("dialog", name="Changed by somebody else")
            expect(met.locator("pre")).to_contain_text("-description: first")
            met.get_by_role("button", name="Go on editing").click()
            expect(met).to_be_hidden()
            two.get_by_role("button", name="Save", exact=True).click()
            met.get_by_role("button", name="Take theirs").click()
            expect(two.get_by_label(label, exact=True)).to_have_value("first")
            field = two.get_by_label(label, exact=True)
            field.fill("both")
            field.blur()
            two.get_by_role("button", name="Save", exact=True).click()
            two.wait_for_url(f"**{path}")
    assert get_export(console.workspace, "shared").document.description == "both"


def test_a_form_with_changes_is_not_left_unasked(browser: Browser, console: Console) -> None:
    asked: list[str] = []

    def go_on(opened: Dialog) -> None:
        asked.append(opened.type)
        opened.accept()

    with signed_in(browser, console, "administrator") as page:
        page.on("dialog", go_on)
        settled(page, "/exports/newsletter/edit")
        text = page.get_by_label("YAML or JSON")
        for broken in ("segments: 5", "columns: {a: 1}", "connection: [1]"):
            text.fill(f"name: newsletter\n{broken}")
            text.blur()
            part = broken.partition(":")[0]
            expect(page.get_by_text(re.compile(f"{part}: this "))).to_be_visible()
        page.get_by_label("Description").fill("not saved")
        expect(text).to_have_value(re.compile("not saved"))
        assert asked == []
        page.reload()
        assert asked == ["beforeunload"]
        # the builder keeps what it took from a field, and asks for what is still being typed
        settled(page, "/segments/segment_000/edit")
        field = page.get_by_label("description", exact=True)
        field.press_sequentially("half a wor")
        page.reload()
        assert asked == ["beforeunload"] * 2
        field.fill("taken")
        field.blur()
        expect(page.get_by_label("Undo")).to_be_enabled()
        page.reload()
        page.get_by_role("button", name="Restore them").click()
        expect(field).to_have_value("taken")
        page.get_by_role("button", name="Save as draft").click()
        page.wait_for_url("**/segments/segment_000")
    assert asked == ["beforeunload"] * 2


def test_a_customer_is_erased_with_a_receipt_that_does_not_name_them(
    browser: Browser, console: Console
) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/settings/erasures")
        page.get_by_label("key of the customer").fill("b")
        page.get_by_role("button", name="Erase", exact=True).click()
        dialog(page, "Erase")
        expect(page.get_by_role("heading", name="Erasure 1")).to_be_visible()
        expect(page.get_by_label("key of the customer")).to_have_value("")
    (receipt,) = list_receipts(console.workspace)
    assert receipt.requested_by == "user administrator"


def test_tokens_are_made_shown_once_and_ended(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/settings")
        page.get_by_role("button", name="New token").click()
        page.get_by_label("What it is for").fill("airflow")
        page.get_by_role("dialog").get_by_role("button", name="Create").click()
        expect(page.get_by_role("dialog").locator("pre")).to_contain_text("muster_")
        opened = page.get_by_role("dialog", name="Your new token")
        # a click into a dialog that is still coming up is lost
        eventually(lambda: closed(opened), 60)
        line = page.get_by_role("row").filter(has_text="airflow")
        line.get_by_role("button", name="End token").click()
        expect(line).to_have_count(0)
    found = list_tokens(console.workspace, owner="contributor")
    (token,) = [token for token in found if token.name == "airflow"]
    assert token.revoked_at is not None


def test_users_are_invited_changed_and_shut_out(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "administrator") as page:
        settled(page, "/settings/users")
        page.get_by_role("button", name="New user").click()
        page.get_by_label("Name", exact=True).fill("carla")
        choose(page, "Role", "contributor")
        dialog(page, "Create")
        line = page.get_by_role("row").filter(has_text="carla")
        expect(line).to_contain_text("contributor")
        line.get_by_role("button", name="Change").click()
        page.get_by_role("checkbox", name="May see member data").check()
        dialog(page, "Save")
        expect(line.get_by_role("cell").nth(2)).to_have_text("yes")
        line.get_by_role("button", name="Disable").click()
        expect(line).to_contain_text("disabled")
        line.get_by_role("button", name="Enable").click()
        expect(line).to_contain_text("active")
    (carla,) = [person for person in list_people(console.workspace) if person.name == "carla"]
    assert (carla.role, carla.members, carla.disabled_at) == (Role.CONTRIBUTOR, True, None)


def test_many_segments_are_tagged_and_scheduled_at_once(browser: Browser, console: Console) -> None:
    names = ["segment_010", "segment_011"]
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/segments")
        page.get_by_label("Search by name").fill("segment_01")
        for name in names:
            page.get_by_role("checkbox", name=f"Choose {name}", exact=True).check()
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_label("Add tags").fill("spring, 2026")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("2 of 2 done")).to_be_visible()
        opened = page.get_by_role("dialog").last
        eventually(lambda: closed(opened), 60)
        page.locator(".m-bulk summary").click()
        page.locator(".m-bulk").get_by_role("button", name="Schedule").click()
        choose(page, "When it is refreshed", "never by itself")
        page.get_by_role("dialog").last.get_by_role("button", name="Save").click()
        expect(page.get_by_text("2 of 2 done")).to_be_visible()
    for name in names:
        document = show_segment(console.workspace, name).document
        assert {"spring", "2026"} <= set(document["tags"])
        assert document["schedule"] == "off"


def test_a_segment_is_scheduled_by_a_time_of_day(browser: Browser, console: Console) -> None:
    console.desk.apply("punctual")
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/segments/punctual")
        page.get_by_role("button", name="More to do").click()
        page.get_by_text("Schedule", exact=True).last.click()
        choose(page, "When it is refreshed", "at times of its own")
        opened = page.get_by_role("dialog").last
        opened.get_by_label("Time of day").fill("soon")
        opened.get_by_role("button", name="Save").click()
        expect(
            page.get_by_text("1 of 1 refused").or_(opened.get_by_role("alert")).first
        ).to_be_visible()
        page.reload()
        page.get_by_role("button", name="More to do").click()
        page.get_by_text("Schedule", exact=True).last.click()
        choose(page, "When it is refreshed", "at times of its own")
        opened = page.get_by_role("dialog").last
        opened.get_by_label("Time of day").fill("06:30")
        opened.get_by_role("button", name="Save").click()
        expect(opened).to_be_hidden()
    document = show_segment(console.workspace, "punctual").document
    assert document["schedule"]["cron"] == "30 6 * * *"


def test_a_measure_is_made_by_choosing(browser: Browser, console: Console) -> None:
    with signed_in(browser, console, "contributor") as page:
        settled(page, "/new-measure")
        name = page.get_by_label("name", exact=True)
        name.fill("customers_with_orders")
        name.blur()
        choose(page, "table", "orders")
        choose(page, "what counts", "number of different values of")
        choose(page, "column", "no · whole number")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/measures/customers_with_orders")
        expect(page.get_by_role("heading", level=1)).to_have_text("customers_with_orders")
