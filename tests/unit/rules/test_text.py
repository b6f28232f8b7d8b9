"""Reading documents: what people write, what YAML would make of it, and what attackers send."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.condition import Attribute
from muster_core.rules.document import parse_segment
from muster_core.rules.text import read_documents, read_what_can_be_read


def _problems(text: str, file: str = "s.yaml") -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        read_documents(text, file=file)
    return caught.value.problems


def _value(text: str) -> Any:
    (document,) = read_documents(
        f"name: s\nrules:\n- where: {{kind: attribute, column: c, compare: eq, value: {text}}}",
        file="s.yaml",
    )
    condition = document.rules[0].where
    assert isinstance(condition, Attribute)
    return condition.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("'3'", "3"),
        ("3", 3),
        ("010", 10),
        ("10.10", Decimal("10.10")),
        ("0.1000000000000000000000000001", Decimal("0.1000000000000000000000000001")),
        ("1e3", 1000),
        ("-0.0", 0),
        ("9223372036854775808", 9223372036854775808),
        ("2026-03-01", "2026-03-01"),
        ("12:30", "12:30"),
        ("true", True),
        ("٣", "٣"),
        ("${spark.secret}", "${spark.secret}"),
    ],
)
def test_a_scalar_is_what_was_written(text: str, expected: Any) -> None:
    found = _value(f'"{text}"' if text.startswith("$") else text)
    assert found == expected
    assert type(found) is type(expected)


def test_several_documents_stand_in_one_file() -> None:
    assert len(read_documents("name: a\n---\nname: b\n", file="s.yaml")) == 2
    assert len(read_documents("- name: a\n- name: b\n", file="s.yaml")) == 2
    assert len(read_documents('[{"name": "a"}, {"name": "b"}]', file="s.json")) == 2


def test_every_problem_has_its_file_line_and_pointer() -> None:
    problems = _problems(
        "name: A\nrules:\n- where:\n    kind: nix\n- where: {kind: everyone}\nx: 1\n"
    )
    assert [(p.pointer, p.line) for p in problems] == [
        ("/name", 1),
        ("/rules/0/where", 3),
        ("/x", 6),
    ]
    assert {p.file for p in problems} == {"s.yaml"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: a\nname: b", "written twice"),
        ('{"name": "a", "name": "b"}', "written twice"),
        ("name: &x a", "anchors"),
        ("name: !!python/object:os.system a", "tags"),
        ("name: [", "not readable"),
        ("name: \x00", "not readable"),
        ("", "no segment"),
        ("name: a\nrules: country = 'GB'", "expression"),
        ("name: a\nrules: [{where: a >}]", "expected a value"),
        ("name: a\nmanual: {add: [.nan]}", "finite"),
        ("name: a\nmanual: {add: [true]}", "a whole number"),
        ("name: a\nmanual: {add: [1.5]}", "a whole number"),
        ("[" * 10_000, "nested"),
        ("{a: " * 10_000, "nested"),
        ("name: a\nx: " + "1" * 5_000, "digits"),
        ("name: a\nx: 1e400", "digits"),
        ("name: a\nrules: [{where: {kind: everyone}, combine: union}]", "first rule"),
        ("name: a\nrules: [{where: {kind: everyone}}, {where: {kind: everyone}}]", "first rule"),
        ("name: a\nrules: [{where: {kind: not}}]", "required"),
        ("name: a\nrules: [{where: {kind: all, of: {}}}]", "a list"),
    ],
)
def test_hostile_and_broken_text_is_refused(text: str, part: str) -> None:
    begin = time.monotonic()
    problems = _problems(text)
    assert any(part in problem.message for problem in problems), problems
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"name": "a", "name": "b"}', "written twice"),
        ('{"name": NaN}', "finite"),
        ('{"name": ' + "[" * 100_000, "nested"),
        ('{"a": ' * 90 + "1" + "}" * 90, "does not exist"),
        ("{", "JSON"),
    ],
)
def test_json_is_held_to_the_same(text: str, part: str) -> None:
    assert any(part in p.message for p in _problems(text, "s.json"))


def test_a_depth_bomb_in_plain_data_is_refused_at_once() -> None:
    bomb: Any = {"kind": "everyone"}
    for _ in range(10_000):
        bomb = {"kind": "not", "of": bomb}
    begin = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        parse_segment({"name": "a", "rules": [{"where": bomb}]})
    assert "nested" in caught.value.problems[0].message
    assert time.monotonic() - begin < 1


def test_half_a_million_values_are_refused() -> None:
    where = {"kind": "attribute", "column": "c", "compare": "in", "value": [1] * 500_001}
    with pytest.raises(InvalidInput) as caught:
        parse_segment({"name": "a", "rules": [{"where": where}]})
    assert "values" in caught.value.problems[0].message


def test_numbers_survive_the_way_through_json() -> None:
    exact = Decimal("123456789012345678901234.5678")
    where = {"kind": "attribute", "column": "c", "compare": "in", "value": [exact, 10.10, 3.0]}
    document = parse_segment({"name": "a", "rules": [{"where": where}]})
    data = json.loads(json.dumps(document.model_dump(mode="json")))
    assert data["rules"][0]["where"]["value"] == ["123456789012345678901234.5678", 10.1, 3]


def test_more_problems_than_anybody_reads_are_counted() -> None:
    where = {"kind": "attribute", "column": "c", "compare": "in", "value": [None] * 5_000}
    with pytest.raises(InvalidInput) as caught:
        parse_segment({"name": "a", "rules": [{"where": where}]})
    assert len(caught.value.problems) == 201
    assert "4800 more" in caught.value.problems[-1].message


def test_a_document_that_cannot_be_read_hides_no_other() -> None:
    text = (
        "name: wrong\nrules: [{where: {kind: rowz}}]\n---\n"
        "name: unread\nby: {table: orders, last: 3}\n---\n"
        "name: right\nrules: [{where: {kind: everyone}}]\n---\n"
        "name: spelled\nrules: [{where: 'a ='}]\n"
    )
    found = read_what_can_be_read(text, file="s.yaml")
    assert [segment.document.name for segment in found.segments] == ["right"]
    assert found.measures == []
    assert {problem.line for problem in found.problems} == {2, 5, 11}
    assert found.unread_segments == {"wrong", "spelled"}
    assert found.unread_measures == {"unread"}
    assert len(read_what_can_be_read("a: [", file="s.yaml").problems) == 1


def test_a_text_that_is_no_expression_hides_nothing_else_of_its_document() -> None:
    problems = _problems("name: Two\nrules: [{where: a =}, {where: {kind: rowz}}]\nowner: me")
    assert [(problem.line, problem.pointer) for problem in problems] == [
        (2, "/rules/0/where"),
        (1, "/name"),
        (2, "/rules/1/where"),
        (3, "/owner"),
    ]
