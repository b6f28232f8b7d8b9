"""``muster rules`` without anything running: convert, check the form, print the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_core.errors import InvalidInput
from muster_core.rules.document import parse_segment
from muster_core.rules.schema import measure_schema, segment_schema

_SEGMENT = """
name: buyers
rules:
  - where: country = 'GB' and count(orders where amount > 50.1, last 90 days) >= 3
project:
  - {table: orders, column: id, where: amount > 5, as: ids}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "buyers.yaml"
    path.write_text(_SEGMENT, encoding="utf-8")
    return path


def _said(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["rules", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_both_spellings_convert_into_each_other(file: Path) -> None:
    expected = parse_segment(yaml.safe_load(_SEGMENT))
    document = yaml.safe_load(_said("convert", file, "--to", "document"))
    assert document["rules"][0]["where"]["kind"] == "all"
    file.write_text(json.dumps(document), encoding="utf-8")
    expression = yaml.safe_load(_said("convert", file, "--to", "expression"))
    assert expression == yaml.safe_load(_SEGMENT)
    assert parse_segment(document) == parse_segment(expression) == expected
    assert json.loads(_said("convert", file, "--to", "expression", "--json")) == [expression]


def test_a_segment_and_an_expression_are_said_in_words(file: Path) -> None:
    assert _said("convert", file, "--to", "sentence") == (
        "buyers: Customers whose country is GB and who have at least 3 orders in the last 90 days "
        "with amount over 50.1.\n"
    )
    assert _said("convert", "--expression", "AGE > 40", "--to", "sentence") == (
        "Customers whose AGE is over 40.\n"
    )
    assert _said("convert", "--expression", "a is missing") == "a is not set\n"


def test_the_form_is_checked_with_nothing_running(file: Path) -> None:
    assert "1 segment and 0 measures checked: all well formed." in _said("check", file, "--form")
    assert json.loads(_said("check", file, "--form", "--json"))["segments"] == ["buyers"]
    file.write_text(_SEGMENT.replace(">= 3", ">= >= 3"), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        _said("check", file, "--form")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(file), 4)
    assert problem.column == _SEGMENT.split("\n")[3].index(">= 3") + 4


def test_a_name_that_stands_twice_is_told_with_both_places(file: Path) -> None:
    (file.parent / "again.yaml").write_text(_SEGMENT + "---\n" + _SEGMENT.lstrip("\n"))
    with pytest.raises(InvalidInput) as caught:
        _said("check", file.parent, "--form")
    first = file.parent / "again.yaml"
    assert [str(problem) for problem in caught.value.problems] == [
        f"{first}:8 /name: `buyers` is defined in {first}:2 already",
        f"{file}:2 /name: `buyers` is defined in {first}:2 already",
    ]


def test_the_schemas_are_printed() -> None:
    assert json.loads(_said("schema")) == segment_schema()
    assert json.loads(_said("schema", "--measure")) == measure_schema()
