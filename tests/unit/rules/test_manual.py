"""Ids written by hand become the key texts of the store, or a problem: never another customer."""

from __future__ import annotations

import pytest

from muster_core.catalog.type import parse_type
from muster_core.rules.listed import listed_keys
from muster_core.rules.manual import manual_key


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("text", "00123", "00123"),
        ("text", "C1", "C1"),
        ("integer", 123, "123"),
        ("integer", "00123", "123"),
        ("integer", "-0", "0"),
        ("decimal(8,2)", 3, "3.00"),
        ("decimal(8,2)", "1.5", "1.50"),
        ("decimal(8,2)", "-0.0", "0.00"),
        ("decimal(38,2)", "9" * 36 + ".01", "9" * 36 + ".01"),
        ("decimal(8,2)", "999999", "999999.00"),
        ("decimal(8,0)", "3.0", "3"),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "20260301", "2026-03-01"),
    ],
)
def test_an_id_is_the_key_text_of_the_store(kind: str, written: str | int, expected: str) -> None:
    assert manual_key(written, parse_type(kind)) == expected


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("text", 123, "in quotes"),
        ("text", "", "empty"),
        ("integer", "x1", "whole number"),
        ("integer", "٣", "whole number"),
        ("integer", "9" * 5000, "whole number"),
        ("integer", 2**63, "64 bits"),
        ("decimal(8,2)", "1.505", "at most 2 decimals"),
        ("decimal(8,2)", "x", "number"),
        ("decimal(8,2)", "1e6", "too large"),
        ("date", 20260301, "date"),
        ("date", "2026-13-01", "date"),
    ],
)
def test_what_no_customer_can_have_as_key_is_refused(
    kind: str, written: str | int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        manual_key(written, parse_type(kind))


def test_the_keys_that_a_document_names_are_found_in_its_lists_and_beside_the_keys_column():
    compared = {
        "kind": "attribute",
        "column": "id",
        "compare": "in",
        "value": [7, "008", True, 1.5],
    }
    other = {"kind": "attribute", "column": "age", "compare": "eq", "value": 40}
    inner = {"kind": "attribute", "column": "id", "compare": "eq", "value": "9"}
    rows = {"kind": "rows", "table": "orders", "where": inner, "value": 41}
    document = {
        "name": "vip",
        "manual": {"add": [1, "02"], "remove": [3, "no number"]},
        "rules": [{"where": {"kind": "all", "of": [compared, other, {"kind": "not", "of": rows}]}}],
    }
    assert listed_keys(document, "id", parse_type("integer")) == {*"123789"}
    assert listed_keys({"name": "vip"}, "id", parse_type("integer")) == set()
