"""Extra output columns are what the case files and the reference say, however the store is laid out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.conformance.case import Case, all_cases
from tests.conformance.preparation import Prepared, Shape, prepare
from tests.conformance.reference import Reference

from muster_core.kernel.project import Projection
from muster_core.rules.document import parse_segment

_CASES = [case for case in all_cases() if case.projected is not None]
_SHAPES = [Shape(), Shape(partitions=2, chunk_rows=2, files=3, dictionary=True)]


def _projected(prepared: Prepared, case: Case, names: list[str]) -> dict[Any, list[Any]]:
    document = parse_segment(case.document)
    projection = Projection.compile(document, prepared.catalog, case.as_of)
    assert list(projection.columns) == names
    members = set(case.members or [])
    found: dict[Any, list[Any]] = {}
    for partition, keys in zip(prepared.partitions, prepared.keys, strict=True):
        chosen = np.array([key in members for key in keys], dtype=np.bool_)
        columns = projection.values(partition, chosen, names)
        for column in columns.values():
            column.validate(full=True)
        owners = [key for key in keys if key in members]
        values = [columns[name].to_pylist() for name in names]
        found |= dict(zip(owners, map(list, zip(*values, strict=True)), strict=True))
    return found


@pytest.mark.parametrize("shape", _SHAPES, ids=("one partition", "many small chunks"))
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_output_columns_are_the_expected_ones(case: Case, shape: Shape) -> None:
    names = [column.get("as", column["column"]) for column in case.document["project"]]
    found = _projected(prepare(case.world, shape), case, names)
    assert found == Reference(world=case.world, as_of=case.as_of).projected(case.means)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_only_members_are_put_out(case: Case) -> None:
    prepared = prepare(case.world)
    names = [column.get("as", column["column"]) for column in case.document["project"]]
    projection = Projection.compile(parse_segment(case.document), prepared.catalog, case.as_of)
    (partition,) = prepared.partitions
    nobody = np.zeros(partition.size, dtype=np.bool_)
    columns = projection.values(partition, nobody, names)
    assert {len(column) for column in columns.values()} == {0}
    one = nobody.copy()
    one[0] = True
    every = np.ones(partition.size, dtype=np.bool_)
    alone = projection.values(partition, one, names)
    for name, column in projection.values(partition, every, names).items():
        assert alone[name].to_pylist() == column.to_pylist()[:1]
