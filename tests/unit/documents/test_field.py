"""A field that does not exist: the one that was meant is named, wherever it stands."""

from __future__ import annotations

import pytest

from muster_core.catalog.text import read_catalog
from muster_core.errors import InvalidInput
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.exports.document import parse_export
from muster_core.rules.document import parse_segment
from muster_core.rules.measure import parse_measure

AGE = {"kind": "attribute", "column": "age", "compare": "lt", "value": 30}
ROWS = {"kind": "rows", "table": "orders", "compare": "gte", "value": 1}
ALL = {"kind": "all", "of": [AGE, {**AGE, "colum": "x"}]}


@pytest.mark.parametrize(
    ("read", "data", "pointer", "meant"),
    [
        (parse_segment, {"name": "a", "rulez": []}, "/rulez", "rules"),
        (parse_segment, {"name": "a", "Tag": []}, "/Tag", "tags"),
        (
            parse_segment,
            {"name": "a", "rules": [{"where": ALL}]},
            "/rules/0/where/of/1/colum",
            "column",
        ),
        (
            parse_segment,
            {
                "name": "a",
                "rules": [{"where": {**ROWS, "aggregate": {"function": "count", "colunm": "x"}}}],
            },
            "/rules/0/where/aggregate/colunm",
            "column",
        ),
        (
            parse_segment,
            {"name": "a", "rules": [], "manual": {"ad": []}},
            "/manual/ad",
            "add",
        ),
        (
            parse_measure,
            {"name": "a", "by": {"table": "o", "aggregate": {"function": "count"}, "windw": {}}},
            "/by/windw",
            "window",
        ),
        (
            parse_export,
            {"name": "a", "segment": "x", "segments": ["x"], "connection": "there"},
            "/segment",
            "segments",
        ),
        (
            parse_export,
            {"name": "a", "segments": ["x"], "connection": {"kind": "folder", "pth": "x"}},
            "/connection/pth",
            "path",
        ),
        (parse_target, {"name": "a", "kind": "s3", "bukket": "x"}, "/bukket", "bucket"),
        (lambda data: parse_secret("sftp", data), {"pasword": "x"}, "/pasword", "password"),
    ],
)
def test_the_field_that_was_meant_is_named(read, data, pointer, meant):
    with pytest.raises(InvalidInput) as refused:
        read(data)
    found = {
        problem.pointer.removeprefix("/s3"): problem.hint for problem in refused.value.problems
    }
    assert found[pointer] == f"did you mean {meant}?"


def test_a_field_like_no_other_gets_no_hint_and_a_catalog_has_hints_too():
    with pytest.raises(InvalidInput) as refused:
        parse_segment({"name": "a", "zzzzzzzzzz": 1})
    assert [problem.hint for problem in refused.value.problems] == [None]
    text = "version: 1\nprofile: {table: c, ky: id, source: {parquet: c.parquet}}\n"
    with pytest.raises(InvalidInput) as refused:
        read_catalog(text, "catalog.yaml")
    hints = {problem.pointer: problem.hint for problem in refused.value.problems}
    assert hints["/profile/ky"] == "did you mean key?"
