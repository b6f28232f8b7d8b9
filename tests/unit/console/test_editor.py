"""The editor draws every kind of condition, follows every change, and takes back what was undone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, ui
from nicegui.element import Element
from nicegui.page import page
from tests.unit.rules.expression.shop import CATALOG, KNOWN, MEASURE

from muster_console.web.builder import word
from muster_console.web.builder.blank import condition
from muster_console.web.builder.change import add_rule
from muster_console.web.builder.choice import Choices
from muster_console.web.builder.draft import Draft
from muster_console.web.builder.spelling import condition_of, plain_of
from muster_console.web.component.markup import Words
from muster_console.web.editor.carried import Carried
from muster_console.web.editor.listed import Listed
from muster_console.web.editor.side import problem_card, text_card
from muster_console.web.editor.state import Editor
from muster_console.web.editor.timing import schedule_fields
from muster_console.web.editor.tree import Tree
from muster_core.rules.limit import DEFAULT_LIMITS

#: One condition of every shape, as the guide of expressions writes them.
EXPRESSIONS = (
    "country = 'GB'",
    "country not in ('GB', 'IM') and age between 18 and 30",
    "birthday < 18 years ago or signed_up > 3 days ahead",
    "signed_up in this month and anniversary(birthday) in next 7 days",
    "weekday(signed_up) in (6, 7) and month(birthday) = 3",
    "home = work",
    "tags contains item 'vip' and opted_in is true",
    "loyalty.points > 100",
    "count(lines where products.category = 'toys' and orders.status = 'paid') > 3",
    "count(gifts via gift_giver) > 3",
    "sum(amount of orders where not status = 'x', from '2026-01-01' to '2026-02-01') >= 10.5",
    "count(orders, between 14 days and 7 days ago) > 1",
    "last(status of orders, ordered by due) = 'late'",
    "exists(orders, next 7 days on due, including future)",
    "in segment vip",
    "measure(lifetime_value) > 10",
    "everyone",
    "not (country = 'GB')",
)


@pytest.fixture
def client() -> Iterator[Client]:
    """A page without a browser."""
    made = Client(page("/"), request=None)
    with made:
        yield made
    made.delete()


def editor_of(document: dict[str, Any]) -> Editor:
    """An editor over the shop of the guide."""

    async def none(table: str, column: str, search: str) -> list[tuple[Any, int]]:
        return []

    visit: Any = SimpleNamespace(
        workspace=SimpleNamespace(settings=SimpleNamespace(limits=DEFAULT_LIMITS))
    )
    made = Editor(
        visit=visit,
        draft=Draft(document=document),
        choices=Choices(CATALOG, measures={"lifetime_value": MEASURE}, segments=["vip"]),
        known=KNOWN,
        values=none,
        later=_close,
    )
    made.judge()
    return made


def _close(work: Any) -> None:
    work.close()


def words(client: Client) -> str:
    """Return every text of the page."""
    found = (e for e in client.elements.values() if isinstance(e, Words))
    return "\n".join(str(e._text) for e in found)


def areas(client: Client) -> list[str]:
    """Return what stands in the texts that can be edited."""
    return [e.value for e in client.elements.values() if isinstance(e, ui.textarea)]


@pytest.mark.parametrize("kind", [*word.KINDS])
def test_every_kind_can_be_opened_as_soon_as_it_is_added(kind: str, client: Client) -> None:
    editor = editor_of(add_rule({"name": "a"}, condition(kind, CATALOG)))
    Tree(editor)
    problem_card(editor)
    text_card(editor)

    editor.toggle("/rules/0/where")

    assert "Rule 1" in words(client)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_every_condition_of_what_is_read_can_be_opened(text: str, client: Client) -> None:
    editor = editor_of(add_rule({"name": "a"}, condition_of(text)))
    before = editor.document
    tree = Tree(editor)

    for pointer in tree.pointers:
        editor.toggle(pointer)

    assert editor.document == before
    assert editor.judgement.fine, editor.judgement.problems


def test_the_texts_follow_every_change_and_every_step_back(client: Client) -> None:
    editor = editor_of({"name": "a"})
    Tree(editor)
    text_card(editor)

    editor.attempt("add", lambda d: add_rule(d, condition_of("age > 18")))
    assert "age is over 18" in words(client)
    assert "age > 18" in areas(client)
    editor.set_field("/rules/0/where", "value", 21)
    assert "age is over 21" in words(client)
    assert "age > 21" in areas(client)
    editor.take(editor.draft.undone())
    assert "age > 18" in areas(client)
    editor.take(editor.draft.undone())
    assert "No rules yet" in words(client)


def test_problems_are_told_where_they_are(client: Client) -> None:
    editor = editor_of(add_rule({"name": "a"}, condition_of("age > 'x' and nothing = 1")))
    Tree(editor)

    told = words(client)

    assert "nothing" in told
    assert "customers has no column 'nothing'" in told


def test_a_measure_is_edited_by_the_same_fields(client: Client) -> None:
    editor = editor_of(plain_of(MEASURE))
    Tree(editor)

    assert editor.judgement.fine
    labels = [e.props.get("label") for e in client.elements.values() if isinstance(e, Element)]
    assert {"table", "what counts", "column", "when"} <= set(labels)
    assert "status is paid" in words(client)


def with_label(client: Client, label: str) -> list[Any]:
    """Return the fields called so."""
    elements = (e for e in client.elements.values() if isinstance(e, Element))
    return [e for e in elements if e.props.get("label") == label]


def test_a_column_is_carried_by_choosing_and_named_by_itself(client: Client) -> None:
    editor = editor_of(add_rule({"name": "a"}, condition("everyone")))
    Carried(editor)

    editor.change("carry", {**editor.document, "project": [{"column": ""}]})
    assert "choose a column" in words(client)
    (of,) = with_label(client, "of")
    of.set_value("orders")
    (column,) = with_label(client, "carried column")
    column.set_value("status")

    carried = {"table": "orders", "column": "status", "as": "orders_status"}
    assert editor.document["project"] == [carried]
    assert editor.judgement.fine, editor.judgement.problems
    (column,) = with_label(client, "carried column")
    column.set_value("amount")
    assert editor.document["project"][0]["as"] == "orders_amount"


def test_conditions_on_what_is_carried_are_those_of_its_rows(client: Client) -> None:
    where = condition_of("status = 'paid'", row=True)
    carried = {"table": "orders", "column": "amount", "as": "paid", "where": where}
    editor = editor_of({**add_rule({"name": "a"}, condition("everyone")), "project": [carried]})
    Carried(editor)

    editor.toggle("/project/0/where")

    assert editor.judgement.fine, editor.judgement.problems
    assert "status is paid" in words(client)
    (column,) = with_label(client, "column")
    assert "order_id" not in column.options
    assert "shipped_at" in column.options


def test_only_what_can_be_carried_is_offered() -> None:
    choices = Choices(CATALOG)
    outputs = choices.outputs()
    assert "country" in outputs
    assert "id" not in outputs, "the key is always put out"
    assert "loyalty.points" not in outputs, "a related table names itself"
    assert "points" in choices.outputs("loyalty")
    assert choices.output_name("", "country") is None
    assert choices.output_name("orders", "status") == "orders_status"
    assert choices.output_name("lines", "products.category") == "products_category"
    assert choices.output_name("9 & more", "x" * 80) == f"c_9___more_{'x' * 52}"


def test_customers_by_hand_are_one_a_line_and_follow_every_step_back(client: Client) -> None:
    editor = editor_of(add_rule({"name": "a"}, condition("everyone")))
    listed = Listed(editor)
    always, never = areas_of(listed)

    always.set_value("C1\n C2 \n\nC1")
    listed.take("add")
    never.set_value("007")
    listed.take("remove")

    assert editor.document["manual"] == {"add": ["C1", "C2"], "remove": ["007"]}
    never.set_value("008, being typed")
    editor.counted({})
    assert never.value == "008, being typed"
    editor.take(editor.draft.undone())
    editor.take(editor.draft.undone())
    assert "manual" not in editor.document
    assert (always.value, never.value) == ("", "")


def areas_of(listed: Listed) -> tuple[ui.textarea, ui.textarea]:
    """Return the fields of who is always and who is never a member."""
    return listed.areas["add"], listed.areas["remove"]


def test_long_lists_of_customers_stay_in_the_text(client: Client) -> None:
    keys = [f"C{number}" for number in range(3_000)]
    editor = editor_of({**add_rule({"name": "a"}, condition("everyone")), "manual": {"add": keys}})
    listed = Listed(editor)

    always, _ = areas_of(listed)
    listed.take("add")

    assert not always.enabled
    assert editor.document["manual"]["add"] == keys


def test_times_of_its_own_are_a_time_and_weekdays_or_a_cron(client: Client) -> None:
    own = {"cron": "30 6 * * 1-5", "timezone": "Europe/Berlin"}
    editor = editor_of({"name": "a", "schedule": own})
    schedule_fields(editor)

    (at,) = with_label(client, "at")
    (on,) = with_label(client, "on")
    (cron,) = with_label(client, "cron: minute hour day month weekday")

    assert (at.value, on.value, cron.value) == ("06:30", [1, 2, 3, 4, 5], "30 6 * * 1-5")


def test_a_cron_that_says_more_stands_alone(client: Client) -> None:
    editor = editor_of({"name": "a", "schedule": {"cron": "*/20 8-18 * * *"}})
    schedule_fields(editor)

    (on,) = with_label(client, "on")

    assert not on.enabled
    assert "says more than one time of a day" in words(client)
    assert "Times are meant in Europe/London" in words(client)
