"""Building a segment by choosing, in a browser, over a shop that is prepared: nothing is typed but names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect
from tests.browser.test_page import serious
from tests.browser.world import HOSTILE, PASSWORD, Console, running_console, signed_in
from tests.integration.insight.shop import AS_OF, build_shop, country, document, ordered

from muster_console.operation.access import create_person
from muster_console.operation.building import open_building
from muster_console.web.builder.spelling import plain_of
from muster_core.security.role import Role

pytestmark = [pytest.mark.integration]

_ATTEMPTS = 4


@pytest.fixture(scope="module")
def shop(
    own_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A console over a prepared shop with a published segment."""
    folder: Path = tmp_path_factory.mktemp("builder")
    with running_console(folder, own_database, redis_url) as running:
        for role in Role:
            create_person(
                running.workspace, role, role, members=role != Role.VIEWER, password=PASSWORD
            )
        built = build_shop(running.workspace)
        built.publish(document("british", country("GB"), ("except", ordered(2))), as_of=AS_OF)
        built.publish(document("edited_twice", country("GB")), as_of=AS_OF)
        built.save(document("hostile", country("GB"), display_name=HOSTILE[1], tags=[HOSTILE[0]]))
        yield running


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a field, searching for it where that is possible.

    The answer to the choice before may redraw the form just now and shut the list; a person opens it again.
    """
    field = page.get_by_label(label, exact=True).last
    found = page.get_by_role("option", name=re.compile(f"^{re.escape(option)}")).first
    for attempt in range(_ATTEMPTS):
        field.click()
        if field.evaluate("(e) => e.tagName === 'INPUT' && !e.readOnly"):
            field.fill(option.split(" ·")[0])
        try:
            found.click(timeout=5_000)
        except TimeoutError:
            if attempt == _ATTEMPTS - 1:
                raise
            page.keyboard.press("Escape")
        else:
            return


def saved(console: Console, name: str) -> dict[str, object]:
    """Return a segment as it is saved."""
    found = open_building(console.workspace, name).document
    assert found is not None
    plain: dict[str, object] = plain_of(found)
    return plain


def begin(page: Page, kind: str) -> None:
    """Add the first condition of a new segment."""
    page.goto("/new-segment")
    page.get_by_role("button", name="Add the first condition").click()
    page.get_by_role("button", name=re.compile(f"^{kind}")).click()


def test_a_segment_is_built_by_choosing_counted_and_saved(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        begin(page, "Attribute")
        expect(page.get_by_role("heading", name="To mend")).to_be_visible()
        choose(page, "column", "country · text")
        choose(page, "comparison", "is one of")
        values = page.get_by_label(re.compile("^values"))
        values.click()
        page.get_by_role("option", name=re.compile("^DE")).click()
        page.keyboard.press("Escape")
        expect(page.locator(".m-line-words").first).to_contain_text("country is one of DE")
        expect(page.get_by_label("Rule 1", exact=True).last).to_have_value("country in ('DE')")
        expect(page.locator(".m-big")).to_have_text(re.compile(r"^\d+$"))
        page.get_by_label("Undo").click()
        page.get_by_label("Redo").click()
        expect(page.locator(".m-line-words").first).to_contain_text("country is one of DE")
        assert not serious(page)
        name = page.get_by_label("name", exact=True)
        name.fill("germans")
        name.blur()
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/segments/germans")
        expect(page.get_by_role("heading", level=1)).to_have_text("germans")
    where = {"kind": "attribute", "column": "country", "compare": "in", "value": ["DE"]}
    assert saved(shop, "germans")["rules"] == [{"where": where}]


def test_related_rows_are_chosen_with_window_and_condition(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        begin(page, "Related rows")
        expression = page.get_by_label("Rule 1", exact=True).last
        choose(page, "what counts", "total of")
        expect(expression).to_have_value(re.compile("^sum"))
        choose(page, "column", "total · number")
        expect(expression).to_have_value("sum(total of orders) >= 1")
        choose(page, "when", "in the last")
        expect(expression).to_have_value(re.compile("last 30 days"))
        page.get_by_role("button", name="Add a condition on the rows").click()
        page.get_by_role("button", name=re.compile("^Column")).click()
        choose(page, "column", "products.category · text")
        choose(page, "comparison", "is set")
        expect(expression).to_have_value(
            "sum(total of orders where products.category is set, last 30 days) >= 1"
        )
        expression.fill("count(orders, last 7 days) >")
        expression.blur()
        expect(page.get_by_role("alert").filter(has_text="expected")).to_be_visible()
        expression.fill("count(orders, last 7 days) > 2 and country = 'GB'")
        expression.blur()
        expect(page.locator(".m-line-words").first).to_have_text("All of these hold")
        expect(page.locator(".m-line-words")).to_have_count(3)


def test_who_saves_second_is_told_and_loses_nothing(browser: Browser, shop: Console) -> None:
    with (
        signed_in(browser, shop, "contributor") as one,
        signed_in(browser, shop, "administrator") as two,
    ):
        for page, words in ((one, "first"), (two, "second")):
            page.goto("/segments/edited_twice/edit")
            field = page.get_by_label("description", exact=True)
            field.fill(words)
            field.blur()
        one.get_by_role("button", name="Save", exact=True).click()
        one.wait_for_url("**/segments/edited_twice")
        two.get_by_role("button", name="Save", exact=True).click()
        expect(two.get_by_role("heading", name=re.compile("Somebody else"))).to_be_visible()
        expect(two.locator(".m-dialog pre")).to_contain_text("+description: second")
        two.get_by_role("button", name="Go on editing").click()
        expect(two.get_by_label("description", exact=True)).to_have_value("second")
        assert saved(shop, "edited_twice")["description"] == "first"
        two.get_by_role("button", name="Save", exact=True).click()
        two.get_by_role("button", name="Save mine over theirs").click()
        two.wait_for_url("**/segments/edited_twice")
    assert saved(shop, "edited_twice")["description"] == "second"


def test_what_was_not_saved_can_be_restored(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        page.goto("/segments/british/edit")
        field = page.get_by_label("description", exact=True)
        field.fill("not saved yet")
        field.blur()
        expect(page.get_by_label("Undo")).to_be_enabled()
        page.reload()
        page.get_by_role("button", name="Restore them").click()
        page.get_by_role("tab", name="YAML").click()
        expect(page.get_by_label("Definition")).to_have_value(re.compile("not saved yet"))


PAGES = ("", "/rules", "/members", "/why", "/versions", "/exports", "/edit")


@pytest.mark.long
def test_every_page_of_a_segment_shows_what_there_is(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "administrator") as page:
        wrong = {}
        for part in PAGES:
            page.goto(f"/segments/british{part}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator(".m-page")).not_to_contain_text("cannot be shown")
            wrong[part] = serious(page)
        page.goto("/segments/hostile")
        expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE[1])
        assert not any(wrong.values()), wrong


def test_why_somebody_is_in_is_told(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        page.goto("/segments/british/members")
        key = page.locator(".m-table tbody tr td").nth(1).inner_text()
        page.goto(f"/segments/british/why?key={key}")
        expect(page.get_by_text("This customer is a member.")).to_be_visible()
    with signed_in(browser, shop, "viewer") as page:
        answer = page.goto("/segments/british/members")
        assert answer is not None
        assert answer.status == 403
