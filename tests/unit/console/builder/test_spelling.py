"""The builder's tree is the document: to and from it, YAML and expressions, nothing changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.console.builder.generation import any_document
from tests.unit.rules.expression.generation import any_condition

from muster_console.web.builder.spelling import (
    condition_of,
    document_of,
    expression_of,
    measure_of,
    plain_of,
    read_yaml,
    yaml_of,
)
from muster_core.errors import InvalidInput
from muster_core.rules.document import parse_segment

# the strategy prints as a book
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

_settings = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@_settings
@given(any_document())
def test_a_document_comes_back_from_its_tree_and_from_its_yaml_as_it_was(raw: Any) -> None:
    document = parse_segment(raw)
    tree = plain_of(document)

    assert document_of(tree) == document
    assert plain_of(document_of(tree)) == tree
    assert read_yaml(yaml_of(tree)) == tree


@_settings
@given(any_condition())
def test_a_condition_comes_back_from_its_expression_as_it_was(raw: Any) -> None:
    tree = plain_of(parse_segment({"name": "a", "rules": [{"where": raw}]}))["rules"][0]["where"]

    assert condition_of(expression_of(tree)) == tree


def test_yaml_of_a_segment_reads_well() -> None:
    tree = read_yaml(
        "name: toys\nrules:\n- where: country in ('NO', 'GB') and age >= 18.50\n"
        "- combine: except\n  where: exists(orders where total > 10.25, last 30 days)\n"
    )

    assert yaml_of(tree) == (
        "name: toys\n"
        "rules:\n"
        "- where:\n"
        "    kind: all\n"
        "    of:\n"
        '    - {kind: attribute, column: country, compare: in, value: ["NO", GB]}\n'
        "    - {kind: attribute, column: age, compare: gte, value: 18.5}\n"
        "- combine: except\n"
        "  where:\n"
        "    kind: rows\n"
        "    table: orders\n"
        "    where: {kind: attribute, column: total, compare: gt, value: 10.25}\n"
        "    window: {last: 30 days}\n"
        "    aggregate: {function: exists}\n"
    )


@pytest.mark.parametrize("text", ["NO", "on", "1e5", "0x10", "null", "2026-01-01", "~", "- a", ""])
def test_texts_that_look_like_something_else_stay_texts(text: str) -> None:
    tree = {"name": "a", "description": text}

    assert read_yaml(yaml_of(tree)) == (tree if text else {"name": "a"})


def test_numbers_keep_every_digit() -> None:
    exact = Decimal("0.1000000000000000000000000001")
    where = {"kind": "attribute", "column": "x", "compare": "eq", "value": exact}
    tree = {"name": "a", "rules": [{"where": where}]}

    assert read_yaml(yaml_of(tree)) == tree


def test_a_measure_is_read_and_written_too() -> None:
    tree = read_yaml("name: spent\nby: {table: orders, aggregate: {function: sum, column: total}}")

    assert plain_of(measure_of(tree)) == tree
    assert read_yaml(yaml_of(tree)) == tree


def test_several_definitions_are_refused_where_one_is_edited() -> None:
    with pytest.raises(InvalidInput, match="1 problem"):
        read_yaml("name: a\n---\nname: b\n")


def test_problems_of_yaml_have_their_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_yaml("name: a\nrules:\n- where: country nd\n")

    assert [(p.line, p.pointer) for p in caught.value.problems] == [(3, "/rules/0/where")]
