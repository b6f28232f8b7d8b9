"""Equal rules have equal hashes however they are spelled; rules that differ have different ones."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.unit.rules.expression.generation import any_condition

from muster_core.rules.canonical import canonical, canonical_text, rule_hash
from muster_core.rules.condition import Condition
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.expression.render import render_expression
from muster_core.rules.text import read_documents

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def _hash(where: Any, **fields: Any) -> str:
    return rule_hash(parse_segment({"name": "s", "rules": [{"where": where}], **fields}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = 1 and b = 2", "b = 2 and a = 1"),
        ("a = 1 and a = 1 and b = 2", "a = 1 and b = 2"),
        ("a in (3, 1, 2)", "a in (1, 2, 3, 3)"),
        ("a not in ('y', 'x')", "a not in ('x', 'y', 'x')"),
        ("a = 1.50", "a = 1.5"),
        ("a = 1.0", "a = 1"),
        ("a in (1, 1.0, 1.00)", "a in (1)"),
        ("a in last 1 week", "a in last 7 days"),
        ("a in last 7 days", "a in last 604800 seconds"),
        ("a in last 1 year", "a in last 12 months"),
        ("a in last 1 quarter", "a in last 3 month"),
        ("count(o) = 1 in at least 1 of last 2 weeks", "count(o) = 1 in at least 1 of last 2 periods of 7 days"),
        ("a > 24 hours ago", "a > 1 day ago"),
        ("a held 1 for at least 48 hours", "a held 1 for at least 2 days"),
        ("count(o where a = 1 or b = 2) > 1", "count(o where b = 2 or a = 1) > 1"),
        (
            "a in last 30 days",
            {"kind": "attribute", "column": "a", "compare": "in_window", "value": {"last": "30 day"}, "via": []},
        ),
        (
            "count(o) > 1",
            {"kind": "rows", "table": "o", "via": [], "where": None, "include_future": False, "compare": "gt",
             "aggregate": {"function": "count", "column": None}, "value": Decimal("1.0")},
        ),
    ],
)  # fmt: skip
def test_equal_rules_have_equal_hashes(one: Any, other: Any) -> None:
    assert _hash(one) == _hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a in last 1 month", "a in last 30 days"),
        ("a in last 12 months", "a in last 365 days"),
        ("a = 1", "a = '1'"),
        ("a = 1", "a = true"),
        ("a = 1 and b = 2", "a = 1 or b = 2"),
        ("all()", "any()"),
        ("all(a = 1)", "a = 1"),
        ("a between 1 and 2", "a between 2 and 1"),
        ("a = 'x'", "a = x"),
        ("a = 'x'", "a = 'X'"),
        ("a = 'x'", "a = 'x' ignoring case"),
        (
            "sequence(v: a = 1 then b = 2, within 1 day, today)",
            "sequence(v: b = 2 then a = 1, within 1 day, today)",
        ),
        ("top 10 by a", "bottom 10 by a"),
        ("top 10 by a", "top 10% by a"),
        ("in segment a", "in segment a if fresh"),
        ("sum(a of o) > sum(b of o)", "sum(b of o) > sum(a of o)"),
        ("count(o via a/b) > 1", "count(o via b/a) > 1"),
        ("count(o) > 1", "count(o, including future) > 1"),
    ],
)
def test_different_rules_have_different_hashes(one: str, other: str) -> None:
    assert _hash(one) != _hash(other)


def test_yaml_and_json_and_both_spellings_hash_equal() -> None:
    where = "country in ('NO', 'GB') and amount > 10.10"
    texts = {
        "e.yaml": f'name: s\nrules: [{{where: "{where}"}}]',
        "e.json": json.dumps({"name": "s", "rules": [{"where": where}]}),
        "d.yaml": "name: s\nrules:\n- where:\n    kind: all\n    of:\n"
        "    - {kind: attribute, column: amount, compare: gt, value: 10.100}\n"
        "    - {kind: attribute, column: country, compare: in, value: [GB, NO]}\n",
    }
    hashes = {rule_hash(read_documents(text, file=file)[0]) for file, text in texts.items()}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sample '33.3'% salt 'x'", "sample 33.3% salt 'x'"),
        ("top '10.0'% by a", "top 10% by a"),
        ("count(o) >= '3'", "count(o) >= 3"),
        ("sum(a of o) between '1.50' and 2", "sum(a of o) between 1.5 and 2"),
        ("count(o) in ('2', 1)", "count(o) in (1, 2)"),
        ("sum(a of o) > '2' times sum(b of o)", "sum(a of o) > 2 times sum(b of o)"),
        ("sum(a of o) > '1.0' times sum(b of o)", "sum(a of o) > sum(b of o)"),
    ],
)
def test_what_is_always_a_number_is_one_as_text_too(one: str, other: str) -> None:
    assert _hash(one) == _hash(other)


def test_the_name_of_a_rule_does_not_decide_who_is_a_member() -> None:
    def named(name: str) -> str:
        document = {"name": "s", "rules": [{"where": "a = 1", "name": name}]}
        return rule_hash(parse_segment(document))

    assert named("the old ones") == named("old") == _hash("a = 1")


def test_names_and_schedules_are_no_part_of_it_and_zones_and_manual_changes_are() -> None:
    assert _hash("a = 1", description="x", schedule="off") == _hash("a = 1")
    assert _hash("a = 1", timezone="UTC") != _hash("a = 1")
    assert _hash("a = 1", manual={"add": ["x"]}) != _hash("a = 1")


def _spelled_anew(node: Any, draw: Any) -> Any:
    """Return an equal condition: operands and values in another order and twice, other units."""
    if isinstance(node, list):
        return [_spelled_anew(item, draw) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _spelled_anew(value, draw) for key, value in node.items()}
    if found.get("kind") in ("all", "any") and found["of"]:
        found["of"] = [*draw(st.permutations(found["of"])), found["of"][0]]
    if found.get("compare") in ("in", "not_in") and isinstance(found.get("value"), list):
        found["value"] = [*draw(st.permutations(found["value"])), *found["value"][:1]]
    for key in ("last", "next", "before_ago", "within", "duration", "ago", "ahead"):
        if isinstance(found.get(key), str) and found[key].rstrip("s").endswith(" week"):
            found[key] = f"{int(found[key].split()[0]) * 7} days"
    return found


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_spelling_never_changes_the_hash_and_the_canonical_form_reads_back(
    data: st.DataObject,
) -> None:
    condition = _CONDITION.validate_python(data.draw(any_condition()))
    document = SegmentDocument.model_validate({"name": "s", "rules": [{"where": condition}]})
    plain = condition.model_dump(mode="json", by_alias=True)
    known = rule_hash(document)
    assert _hash(_spelled_anew(plain, data.draw)) == known
    assert _hash(render_expression(condition)) == known
    again = parse_segment(json.loads(json.dumps(canonical(document))))
    assert rule_hash(again) == known
    assert canonical(again) == canonical(document)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_rules_of_different_canonical_form_never_share_a_hash(data: st.DataObject) -> None:
    seen: dict[str, str] = {}
    for _ in range(4):
        condition = _CONDITION.validate_python(data.draw(any_condition()))
        for where in (
            condition,
            {"kind": "not", "of": condition},
            {"kind": "all", "of": [condition]},
        ):
            document = SegmentDocument.model_validate({"name": "s", "rules": [{"where": where}]})
            text = canonical_text(canonical(document)["rules"])
            assert seen.setdefault(rule_hash(document), text) == text
    assert len(seen) >= 3
