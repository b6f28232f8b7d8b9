"""Building a segment by choosing, in a browser, over a shop that is prepared: nothing is typed but names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.hand import begin, choose
from tests.browser.look import serious
from tests.browser.world import (
    HOSTILE,
    PASSWORD,
    Console,
    apply,
    invite,
    running_console,
    signed_in,
)
from tests.integration.insight.shop import AS_OF, build_shop, country, document, ordered

from muster_console.operation.access import create_person
from muster_console.operation.building import open_building
from muster_console.web.builder.spelling import plain_of
from muster_core.security.role import Role

pytestmark = [pytest.mark.integration]


@pytest.fixture(scope="module")
def shop(
    own_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A console over a prepared shop with a published segment."""
    folder: Path = tmp_path_factory.mktemp("builder")
    with running_console(folder, own_database, redis_url) as running:
        invite(running.workspace)
        built = build_shop(running.workspace)
        built.publish(document("british", country("GB"), ("except", ordered(2))), as_of=AS_OF)
        built.publish(document("edited_twice", country("GB")), as_of=AS_OF)
        built.save(document("built_twice", country("GB")))
        for place in ("GB", "DE"):
            built.publish(document("twice", country(place)), as_of=AS_OF)
        built.save(document("hostile", country("GB"), display_name=HOSTILE[1], tags=[HOSTILE[0]]))
        yield running


def saved(console: Console, name: str) -> dict[str, object]:
    """Return a segment as it is saved."""
    found = open_building(console.workspace, name).document
    assert found is not None
    plain: dict[str, object] = plain_of(found)
    return plain


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


def test_a_column_of_another_table_is_carried_by_choosing(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        page.goto("/segments/british/edit")
        page.get_by_role("button", name="Carry a column").click()
        expect(page.get_by_text("choose a column").first).to_be_visible()
        choose(page, "of", "orders")
        choose(page, "carried column", "total · number")
        expect(page.get_by_label("called")).to_have_value("orders_total")
        page.get_by_role("button", name="Add a condition on the rows").click()
        page.get_by_role("button", name=re.compile("^Column")).click()
        choose(page, "column", "products.category · text")
        choose(page, "comparison", "is set")
        never = page.get_by_label("never members")
        never.fill("C9")
        never.blur()
        assert not serious(page)
        page.get_by_role("tab", name="YAML").click()
        expect(page.get_by_label("Definition")).to_have_value(re.compile("as: orders_total"))
        expect(page.get_by_label("Definition")).to_have_value(re.compile("remove: .*C9"))
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/segments/british")
    where = {"kind": "attribute", "column": "products.category", "compare": "is_set"}
    carried = {"column": "total", "as": "orders_total", "table": "orders", "where": where}
    assert saved(shop, "british")["project"] == [carried]
    assert saved(shop, "british")["manual"] == {"remove": ["C9"]}


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


@pytest.mark.long
def test_who_builds_second_by_choosing_or_as_text_is_told(browser: Browser, shop: Console) -> None:
    with (
        signed_in(browser, shop, "contributor") as one,
        signed_in(browser, shop, "administrator") as two,
    ):
        for page in (one, two):
            page.goto("/segments/built_twice/edit")
            expect(page.get_by_label("Rule 1", exact=True).last).to_have_value("country = 'GB'")
        one.locator(".m-line-main").first.click()
        choose(one, "comparison", "is not")
        expect(one.get_by_label("Rule 1", exact=True).last).to_have_value("country != 'GB'")
        expression = two.get_by_label("Rule 1", exact=True).last
        expression.fill("country = 'DE'")
        expression.blur()
        expect(two.locator(".m-line-words").first).to_contain_text("DE")
        two.get_by_role("button", name="Save", exact=True).click()
        two.wait_for_url("**/segments/built_twice")
        # who chose is told, sees both, takes the other's, and has the own way back
        one.get_by_role("button", name="Save", exact=True).click()
        expect(one.locator(".m-dialog pre")).to_contain_text("DE")
        one.get_by_role("button", name="Take theirs").click()
        expect(one.get_by_label("Rule 1", exact=True).last).to_have_value("country = 'DE'")
        one.get_by_label("Undo").click()
        expect(one.get_by_label("Rule 1", exact=True).last).to_have_value("country != 'GB'")
        one.keyboard.press("Control+s")
        one.wait_for_url("**/segments/built_twice")
    where = {"kind": "attribute", "column": "country", "compare": "ne", "value": "GB"}
    assert saved(shop, "built_twice")["rules"] == [{"where": where}]


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


@pytest.mark.long
def test_who_may_not_see_members_edits_around_keys_somebody_listed(
    browser: Browser, shop: Console
) -> None:
    create_person(shop.workspace, "blind", Role.CONTRIBUTOR, members=False, password=PASSWORD)
    listed = {"kind": "attribute", "column": "id", "compare": "in", "value": ["C00001", "C00002"]}
    manual = {"add": ["C00003", "C00004"]}
    apply(shop.workspace, [{"name": "listed", "rules": [{"where": listed}], "manual": manual}])
    with signed_in(browser, shop, "blind") as page:
        for part in ("", "/rules", "/versions", "/edit"):
            page.goto(f"/segments/listed{part}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert "C0000" not in page.content(), part
        expect(page.get_by_text("2 customers stand here whom you may not see")).to_be_visible()
        expect(page.get_by_role("heading", name="To mend")).to_be_hidden()
        page.locator(".m-line-main").first.click()
        choose(page, "comparison", "is none of")
        always = page.get_by_label("always members")
        expect(always).to_have_value("")
        always.fill("C00009")
        always.blur()
        page.get_by_role("tab", name="YAML").click()
        expect(page.get_by_label("Definition")).to_have_value(re.compile("C00009"))
        assert "C00003" not in page.get_by_label("Definition").input_value()
        expect(page.locator(".m-big")).to_have_text(re.compile(r"^[\d,]+$"))
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/segments/listed")
    assert saved(shop, "listed")["rules"] == [{"where": {**listed, "compare": "not_in"}}]
    assert saved(shop, "listed")["manual"] == {"add": ["C00003", "C00004", "C00009"]}


PAGES = ("", "/rules", "/insights", "/members", "/why", "/versions", "/exports", "/edit")


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


@pytest.mark.long
def test_who_joined_and_left_is_shown_when_asked(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor") as page:
        page.goto("/segments/twice/members")
        page.get_by_role("button", name="Show who").click()
        expect(page.get_by_text("joined with version 2.")).to_be_visible()
        expect(page.get_by_text("left with version 2.")).to_be_visible()
        page.locator(".m-page").get_by_role("link", name=re.compile("^C0")).first.click()
        expect(page.get_by_text(re.compile("This customer is"))).to_be_visible()


@pytest.mark.long
def test_members_are_downloaded_with_the_columns_that_are_shown(
    browser: Browser, shop: Console
) -> None:
    with signed_in(browser, shop, "contributor") as page:
        page.goto("/segments/british/members")
        with page.expect_download() as started:
            page.get_by_role("link", name="Download CSV").click()
        with Path(started.value.path()).open(newline="") as file:
            head, *rows = csv.reader(file)
        shown = page.get_by_role("table", name="Members")
        expect(shown.locator("thead th")).to_contain_text(["No.", *head])
        expect(shown.locator("tbody tr")).to_have_count(min(100, len(rows)))


@pytest.mark.long
def test_what_sets_members_apart_and_what_they_share_is_told(
    browser: Browser, shop: Console
) -> None:
    with signed_in(browser, shop, "viewer") as page:
        page.goto("/segments/british/insights?with=edited_twice")
        country = page.get_by_role("region", name="country").get_by_role("row")
        expect(country.filter(has_text="GB")).to_contain_text("100 %")
        shared = page.get_by_role("table", name="What the segment shares with others")
        expect(shared.locator("tbody tr")).to_contain_text("edited_twice")
        # everybody who is in it is British, as are all of the other's
        expect(shared.locator("tbody tr")).to_contain_text("100")
        assert not serious(page)


@pytest.mark.long
def test_numbers_in_sentences_are_those_of_the_language(browser: Browser, shop: Console) -> None:
    with signed_in(browser, shop, "contributor", locale="de-DE") as page:
        # the browser says with its first page how it writes numbers
        page.goto("/segments")
        expect(page.get_by_role("link", name="british")).to_be_visible()
        page.goto("/quick-segment?table=orders&column=no")
        expect(page.locator("dd", has_text="2.999")).to_be_visible()


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
