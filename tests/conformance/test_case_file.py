"""The product has the members that the case files say, refuses what they refuse and warns where they warn."""

from __future__ import annotations

import pytest
from tests.conformance.case import Case, all_cases
from tests.conformance.preparation import Shape
from tests.conformance.product import members_of, refusal_of

_EVERY = all_cases()
_MEMBERS = [case for case in _EVERY if case.members is not None]
_REFUSED = [case for case in _EVERY if case.problem is not None]


@pytest.mark.parametrize("case", _MEMBERS, ids=lambda case: case.id)
def test_the_kernels_have_the_expected_members(case: Case) -> None:
    found = members_of(case.world, case.as_of, [case.document])
    assert sorted(found.members[0]) == case.members
    assert found.counts == [len(found.members[0])]


def test_neither_layout_nor_company_changes_a_case() -> None:
    batches: dict[tuple[int, str], list[Case]] = {}
    for case in _MEMBERS:
        batches.setdefault((id(case.world), case.as_of.isoformat()), []).append(case)
    shape = Shape(partitions=3, chunk_rows=2, files=3, dictionary=True)
    for cases in batches.values():
        documents = [case.document for case in cases]
        found = members_of(cases[0].world, cases[0].as_of, documents, shape)
        assert [sorted(members) for members in found.members] == [case.members for case in cases]


@pytest.mark.parametrize("case", _REFUSED, ids=lambda case: case.id)
def test_the_document_is_refused_at_the_place_and_for_the_reason(case: Case) -> None:
    found = refusal_of(case.world, case.document)
    assert [problem.pointer for problem in found] == [case.pointer]
    assert case.problem is not None
    assert case.problem in f"{found[0].message} {found[0].hint}"
