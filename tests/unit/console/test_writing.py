"""Documents written as YAML read back to the same, and what differs between two is found."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from muster_console.operation.writing import as_yaml, differences, unified
from muster_core.documents.text import read_text

TEXTS = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))
VALUES = st.recursive(
    TEXTS
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.sampled_from(
        ["NO", "on", "~", "10.10", "2026-01-01", "0x1F", "1e3", "null", "- a", "a: b"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "rules", "where", "value"]), VALUES, min_size=1))
def test_what_is_written_reads_back_to_the_same(document):
    (read,) = read_text(as_yaml(document), file="document.yaml")
    assert json.loads(json.dumps(read.data, default=float)) == document


def test_fields_stand_in_the_order_of_writing():
    text = as_yaml({"rules": [], "name": "a", "state": "draft", "display_name": "A"})
    assert text == "name: a\ndisplay_name: A\nstate: draft\nrules: []\n"


def test_every_difference_has_its_place():
    before = {"name": "a", "rules": [{"value": 1}, {"value": 2}], "tags": ["x"]}
    after = {"name": "a", "rules": [{"value": 1}, {"value": "2"}, {"value": 3}], "state": "draft"}
    found = [(d.pointer, d.before, d.after) for d in differences(before, after)]
    assert found == [
        ("/tags", ["x"], None),
        ("/state", None, "draft"),
        ("/rules/1/value", 2, "2"),
        ("/rules/2", None, {"value": 3}),
    ]
    assert "+- value: '2'\n" in unified(before, after, names=("a", "b"))


@given(VALUES, VALUES)
def test_two_documents_differ_exactly_where_they_are_not_equal(before, after):
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (list(differences(before, after)) == []) == same
