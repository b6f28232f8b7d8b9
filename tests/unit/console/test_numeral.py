"""Numbers in sentences are grouped as the browser's language groups them, and nothing else is believed."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

import pytest

from muster_console.web.numeral import Numerals, read_numerals


@pytest.mark.parametrize(
    ("cookie", "written"),
    [
        (None, "1,234,567"),
        (quote(",|."), "1,234,567"),
        (quote(".|,"), "1.234.567"),
        (quote("\N{NARROW NO-BREAK SPACE}|,"), "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
        (quote("\N{RIGHT SINGLE QUOTATION MARK}|."), "1\N{RIGHT SINGLE QUOTATION MARK}234\N{RIGHT SINGLE QUOTATION MARK}567"),
        (quote(".|."), "1,234,567"),
        (quote("<b>|."), "1,234,567"),
        ("", "1,234,567"),
        ("%ff%fe", "1,234,567"),
    ],
)  # fmt: skip
def test_groups_are_those_the_browser_names(cookie: str | None, written: str) -> None:
    assert read_numerals(cookie).number(1_234_567) == written


def test_decimals_keep_theirs_and_floats_six_digits() -> None:
    german = Numerals(".", ",")
    assert german.number(Decimal("1234.50")) == "1.234,50"
    assert german.number(1234.5678) == "1.234,57"
    assert german.percent(0.1234) == "12,3 %"
    assert Numerals().number(-1) == "-1"
