"""The published JSON Schemas: as generated, taking every example and refusing what is malformed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.conformance.case import all_cases

from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput
from muster_core.rules.document import parse_segment
from muster_core.rules.measure import parse_measure
from muster_core.rules.schema import measure_schema, schema_text, segment_schema

_ROOT = Path(__file__).parents[3]
_SEGMENT = jsonschema.Draft202012Validator(segment_schema())
_MEASURE = jsonschema.Draft202012Validator(measure_schema())


def _plain(node: Any) -> Any:
    """Return exact data as a JSON reader would have it."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return float(node) if isinstance(node, Decimal) else node


def _documented() -> Iterator[tuple[str, Any]]:
    for page in [*sorted((_ROOT / "docs").glob("*.md")), _ROOT / "README.md"]:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for written in read_text(block, file="page.yaml"):
                if isinstance(written.data, dict) and "rules" in written.data:
                    yield page.name, written.data


@pytest.mark.parametrize(
    ("name", "schema"), [("segment", segment_schema()), ("measure", measure_schema())]
)
def test_the_published_file_is_the_schema(name: str, schema: dict[str, Any]) -> None:
    published = (_ROOT / "docs" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(schema)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_of_the_documentation_is_valid() -> None:
    found = list(_documented())
    assert len(found) >= 3
    for page, data in found:
        parse_segment(data)
        assert [e.message for e in _SEGMENT.iter_errors(_plain(data))] == [], page


def test_every_case_that_is_read_is_valid() -> None:
    read = 0
    for case in all_cases():
        try:
            parse_segment(case.document)
        except InvalidInput:
            continue
        read += 1
        errors = [e.message[:200] for e in _SEGMENT.iter_errors(_plain(case.document))]
        assert errors == [], case.title
    assert read > 100


_ROWS = {"kind": "rows", "table": "o", "aggregate": {"function": "count"}}
_EQ = {"kind": "attribute", "column": "c", "compare": "eq", "value": 1}
_STEPS = {"kind": "sequence", "table": "o", "within": "1 day", "window": {"last": "1 day"}}
_COUNT = {"function": "count"}


@pytest.mark.parametrize(
    "where",
    [
        {"kind": "nix"},
        {},
        [],
        3,
        None,
        {"kind": "everyone", "x": 1},
        {"kind": "all"},
        {"kind": "all", "of": {}},
        {"kind": "not", "of": [_EQ]},
        {"kind": "attribute", "compare": "eq", "value": 1},
        _EQ | {"compare": "equals"},
        _EQ | {"value": [[1]]},
        _EQ | {"value": {"agoo": "3 days"}},
        _EQ | {"value": {"ago": "3 fortnights"}},
        _EQ | {"value": {"ago": "0 days"}},
        _EQ | {"via": "order_customer"},
        {"kind": "rows", "table": "o"},
        _ROWS | {"aggregate": {"function": "median"}},
        _ROWS | {"where": _ROWS},
        _ROWS | {"window": {"last": "3 days", "next": "3 days"}},
        _ROWS | {"window": {}},
        _ROWS | {"window": {"on": "x"}},
        _ROWS | {"window": {"last": "3 days", "from": "2026-01-01"}},
        _ROWS | {"window": {"between_ago": ["3 days"]}},
        _ROWS | {"window": {"calendar": "last_decade"}},
        _ROWS | {"window": {"day_offset": "x"}},
        {"kind": "first_row", "table": "o"},
        {"kind": "last_row", "table": "o"},
        _STEPS,
        _STEPS | {"steps": [_EQ]},
        _STEPS | {"steps": [_EQ] * 6},
        {"kind": "held", "column": "c", "value": 1, "compare": "gt", "duration": "3 days"},
        {"kind": "segment", "name": "s", "policy": "wait"},
        {"kind": "compare", "left": {"measure": "m"}, "compare": "in", "right": {"measure": "m"}},
        {"kind": "top", "by": {"column": "c"}, "limit": 0},
        {"kind": "top", "by": {"table": "o"}, "limit": 1},
        {"kind": "sample", "percent": 10},
        {
            "kind": "periods",
            "table": "o",
            "period": "1 day",
            "of_last": 0,
            "at_least": 1,
            "compare": "eq",
            "value": 1,
        },
    ],
)
def test_a_malformed_condition_is_refused_by_the_schema_and_by_muster(where: Any) -> None:
    document = {"name": "s", "rules": [{"where": where}]}
    assert not _SEGMENT.is_valid(document)
    with pytest.raises(InvalidInput):
        parse_segment(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "S"},
        {"name": "s" * 101},
        {"name": "s", "type": "fluid"},
        {"name": "s", "state": "on"},
        {"name": "s", "schedule": "hourly"},
        {"name": "s", "schedule": {"timezone": "UTC"}},
        {"name": "s", "rules": "everyone"},
        {"name": "s", "rules": [{"where": "everyone", "combine": "minus"}]},
        {"name": "s", "rules": [{}]},
        {"name": "s", "project": [{"table": "o"}]},
        {"name": "s", "manual": {"add": [1.5]}},
        {"name": "s", "tags": ["x"] * 21},
        {"name": "s", "colour": "red"},
    ],
)
def test_a_malformed_segment_is_refused_by_the_schema_and_by_muster(document: Any) -> None:
    assert not _SEGMENT.is_valid(document)
    with pytest.raises(InvalidInput):
        parse_segment(document)


def test_measures_have_a_schema_of_their_own() -> None:
    good = {"name": "m", "by": {"table": "o", "aggregate": _COUNT, "where": "amount > 3"}}
    parse_measure(good)
    assert _MEASURE.is_valid(good)
    for bad in (
        {"name": "m"},
        {"name": "M", "by": good["by"]},
        good | {"rules": []},
        {"name": "m", "by": {"table": "o"}},
        {"name": "m", "by": {"table": "o", "aggregate": _COUNT, "compare": "eq"}},
    ):
        assert not _MEASURE.is_valid(bad)
        with pytest.raises(InvalidInput):
            parse_measure(bad)
