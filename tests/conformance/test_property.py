"""Kernels and the plain-Python reference agree on random catalogs, rows and rules of every kind.

`MUSTER_RULE_EXAMPLES` and `MUSTER_RULE_SEED` say how many examples and from which seed; a run is cut into
slices of their own seed, so any of them can be repeated alone.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.conformance.failure import case_text, write_failure
from tests.conformance.generation import Example, examples
from tests.conformance.preparation import Shape
from tests.conformance.product import members_of
from tests.conformance.reference import Reference

from muster_core.rules.canonical import canonical, rule_hash
from muster_core.rules.document import parse_segment

_EXAMPLES = int(os.environ.get("MUSTER_RULE_EXAMPLES", "500"))
_SEED = int(os.environ.get("MUSTER_RULE_SEED", "1"))
_SLICE = 1_000
_SLICES = [(_SEED + n, min(_SLICE, _EXAMPLES - n * _SLICE)) for n in range(-(-_EXAMPLES // _SLICE))]
_SETTINGS = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("start", "size"), _SLICES)
def test_kernels_and_reference_agree(start: int, size: int) -> None:
    @settings(_SETTINGS, max_examples=size)
    @seed(start)
    @given(examples())
    def agree(example: Example) -> None:
        check_agreement(example)

    agree()


def check_agreement(example: Example) -> None:
    """Fail, with a case file of what is wrong, unless the product has the reference's members."""
    reference = Reference(world=example.alive, as_of=example.as_of)
    expected = [(document, sorted(reference.members(document))) for document in example.documents]
    try:
        found = members_of(
            example.world, example.as_of, example.documents, example.shape, gone=example.gone
        )
    except Exception:
        write_failure(case_text(example.alive, example.as_of, expected))
        raise
    for place, (document, members) in enumerate(expected):
        got = sorted(found.members[place])
        if got != members:
            text = case_text(example.alive, example.as_of, [(document, members)])
            path = write_failure(text)
            pytest.fail(f"the kernels say {got}, laid out as {example.shape}; see {path}:\n{text}")
        assert found.counts[place] == len(members)
        after = [len(result) for result in reference.running(document)]
        assert found.running[place][: len(after)] == after
        named = {pointer: len(keys) for pointer, keys in reference.nodes(document).items()}
        assert found.nodes[place] == named


@settings(_SETTINGS, max_examples=60)
@given(example=examples(documents=6))
def test_neither_company_nor_layout_changes_a_result(example: Example) -> None:
    whole = _members(example, Shape())
    assert whole == _members(example, Shape(partitions=3, chunk_rows=1, files=3, dictionary=True))
    assert [_members(example, Shape(), place)[0] for place in range(6)] == whole


@settings(_SETTINGS, max_examples=25)
@given(example=examples(documents=6), slack=st.sampled_from([0, 40, 200, 1_000]))
def test_no_memory_to_spare_changes_no_member_and_no_count(example: Example, slack: int) -> None:
    given = (example.world, example.as_of, example.documents, example.shape)
    whole = members_of(*given, gone=example.gone)
    assert members_of(*given, gone=example.gone, slack=slack) == whole


def _members(example: Example, shape: Shape, place: int | None = None) -> list[set[Any]]:
    documents = example.documents if place is None else [example.documents[place]]
    return members_of(example.world, example.as_of, documents, shape, gone=example.gone).members


@settings(_SETTINGS, max_examples=60)
@given(example=examples())
def test_the_canonical_form_reads_back_with_the_same_hash_and_members(example: Example) -> None:
    parsed = [parse_segment(document) for document in example.documents]
    again = [parse_segment(canonical(document)) for document in parsed]
    assert [canonical(document) for document in again] == [canonical(d) for d in parsed]
    assert [rule_hash(document) for document in again] == [rule_hash(d) for d in parsed]
    reference = Reference(world=example.alive, as_of=example.as_of)
    for document, one in zip(example.documents, again, strict=True):
        assert reference.members(canonical(one)) == reference.members(document)
