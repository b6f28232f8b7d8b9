"""What sets members apart is drawn with every value, wherever its ends are numbers, dates or texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from nicegui import Client
from nicegui.page import page
from tests.unit.console.test_editor import words

from muster_console.operation.overlap import Apart
from muster_console.web.page.segment_insight import draw_apart
from muster_core.kernel.contrast import Bin, Contrasted

NOW = datetime(2026, 6, 30, tzinfo=UTC)


@pytest.fixture
def client() -> Iterator[Client]:
    """A page without a browser."""
    made = Client(page("/"), request=None)
    with made:
        yield made
    made.delete()


def apart(*columns: Contrasted) -> Apart:
    return Apart(segment="a", version=1, as_of=NOW, customers=10, members=5, columns=list(columns))


def column(name: str, *bins: Bin, significant: bool = True) -> Contrasted:
    return Contrasted(
        column=name, type="text", distance=0.5, significant=significant, bins=list(bins)
    )


def test_values_and_ranges_are_told_with_their_shares(client: Client) -> None:
    draw_apart(
        apart(
            column("age", Bin(value=None, low=18, high=1_027, members=12.5, everybody=50.0)),
            column(
                "born",
                Bin(value=None, low=date(1990, 1, 1), high=date(1999, 1, 1), members=0, everybody=1),
            ),
            column("spent", Bin(value=None, low=Decimal(5), high=Decimal(5), members=1, everybody=1)),
            column("<b>city</b>", Bin(value="<i>x</i>", low=None, high=None, members=1, everybody=1)),
            column("tier", significant=False),
        )
    )  # fmt: skip

    told = words(client)

    assert "18 to 1,027" in told
    assert "12.5 %" in told
    assert "1990-01-01 to 1999-01-01" in told
    assert "\n5\n" in told
    assert "<i>x</i>" in told
    assert "Not different: tier." in told


def test_what_differs_beyond_the_first_is_named(client: Client) -> None:
    draw_apart(apart(*(column(f"c{number}") for number in range(12))))

    assert "Also different: c8, c9, c10, c11." in words(client)


def test_nothing_apart_is_told(client: Client) -> None:
    draw_apart(apart(column("tier", significant=False)))

    assert "No column tells its members" in words(client)
