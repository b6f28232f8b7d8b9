"""Choosing columns of an export keeps what was said of each, and one may be delivered twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nicegui import Client
from nicegui.page import page
from tests.unit.console.test_editor import with_label

from muster_console.web.page.export_column import ColumnFields, changed_entry, chosen_columns

HASHED = {"column": "email", "as": "hashed", "normalise": "email", "hash": "sha256"}


@pytest.fixture
def client() -> Iterator[Client]:
    """A page without a browser."""
    made = Client(page("/"), request=None)
    with made:
        yield made
    made.delete()


def test_what_is_said_of_a_column_stays_while_others_come_and_go() -> None:
    entries = ["email", HASHED, "city"]
    assert chosen_columns(entries, ["email", "tier"]) == ["email", HASHED, "tier"]
    assert chosen_columns(entries, []) == []
    assert chosen_columns([], ["city"]) == ["city"]


def test_an_entry_that_says_nothing_more_is_the_column() -> None:
    named = changed_entry("email", "as", "mail")
    assert named == {"column": "email", "as": "mail"}
    assert changed_entry(named, "as", "") == "email"
    assert changed_entry(named, "hash", "sha256") == {**named, "hash": "sha256"}


def test_fields_change_the_entries_in_place(client: Client) -> None:
    entries: list[object] = ["email"]
    told: list[int] = []
    fields = ColumnFields(lambda: told.append(1))
    fields.show(entries)

    (form,) = with_label(client, "form")
    form.set_value("email")
    (hashing,) = with_label(client, "hash")
    hashing.set_value("sha256")

    assert entries == [{"column": "email", "normalise": "email", "hash": "sha256"}]
    assert len(told) == 2
