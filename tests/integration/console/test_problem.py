"""Every problem of an apply at once, warnings of measures, and measures that a catalog would break."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from muster_console.operation.catalog import apply_catalog, show_catalog
from muster_console.operation.measure import list_measures
from muster_console.operation.rule import check_rule_files
from muster_console.operation.saving import apply_segments
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import Conflict, InvalidInput
from muster_core.settings import Settings

pytestmark = pytest.mark.integration
CATALOG = """version: 1
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {time: at, source: {parquet: orders.parquet}}
relationships:
  - {name: order_customer, from: orders.customer, to: customers.id}
"""
WRONG = """name: shape
rules: [{where: {kind: rowz}}]
---
name: unknown_column
rules: [{where: agee > 3}]
---
name: spent
by: {table: orders, aggregate: {function: sum, column: amount}, last: 30 days}
---
name: refers
rules: [{where: in segment shape and measure(spent) > 3}]
"""
MEASURE = """name: spent
by: {table: orders, window: {calendar: tomorrow}, aggregate: {function: sum, column: amount}}
"""


@pytest.fixture
def workspace(
    database_url: str, redis_url: str, lake_url: str, tmp_path: Path
) -> Iterator[Workspace]:
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), lake_url=lake_url
    )
    at = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": ["a"], "country": ["GB"]}), tmp_path / "customers.parquet")
    orders = pa.table({"customer": ["a"], "amount": [1], "at": at})
    pq.write_table(orders, tmp_path / "orders.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "measure.yaml").write_text(MEASURE)
    with open_workspace(settings) as opened:
        yield opened


def test_what_is_wrong_with_one_document_hides_nothing_of_the_others(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    with pytest.raises(InvalidInput) as alone:  # without a catalog, too
        apply_segments(workspace, file)
    assert {problem.line for problem in alone.value.problems} == {2, 8}
    apply_catalog(workspace, tmp_path / "catalog.yaml")
    for attempt in (apply_segments, lambda w, path: check_rule_files(w, [path])):
        with pytest.raises(InvalidInput) as raised:
            attempt(workspace, file)
        told = {(problem.line, problem.message) for problem in raised.value.problems}
        assert {line for line, _ in told} == {2, 5, 8, 11}
        # the segment that could not be read is known all the same
        assert [m for line, m in told if line == 11] == [
            "segment refers: the measure spent has problems of its own"
        ]
    assert list_segments(workspace) == []


def test_without_a_catalog_and_problems_the_catalog_is_asked_for(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(Conflict):
        apply_segments(workspace, tmp_path / "measure.yaml")


def test_measures_are_warned_about_and_kept_in_a_new_catalog_though_nobody_uses_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_catalog(workspace, tmp_path / "catalog.yaml")
    told = check_rule_files(workspace, [tmp_path / "measure.yaml"]).warnings
    (applied,) = apply_segments(workspace, tmp_path / "measure.yaml")
    assert applied.warnings == told
    assert "window" in told[0].message
    assert told[0].line == 2
    pq.write_table(
        pq.read_table(tmp_path / "orders.parquet").drop_columns(["amount"]),
        tmp_path / "orders.parquet",
    )
    with pytest.raises(InvalidInput, match="measures") as raised:
        apply_catalog(workspace, tmp_path / "catalog.yaml")
    assert "measure spent: " in raised.value.problems[0].message
    assert "amount" in show_catalog(workspace).tables["orders"].columns
    assert [measure.name for measure in list_measures(workspace)] == ["spent"]


def test_a_reference_to_what_never_publishes_is_warned_of(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_catalog(workspace, tmp_path / "catalog.yaml")
    file = tmp_path / "draft.yaml"
    file.write_text(
        "name: unfinished\nstate: draft\nrules: [{where: everyone}]\n---\n"
        "name: user\nrules: [{where: in segment unfinished}]\n"
    )
    warned = {segment.name: segment.warnings for segment in apply_segments(workspace, file)}
    (warning,) = warned["user"]
    assert (warning.line, "never published" in warning.message) == (6, True)
    assert warned["unfinished"] == []
