"""A folder as code: what a plan says is what applying does, and applying twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import SecretStr

from muster_console.operation.action import Action, Options, act
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.folder import (
    Plan,
    apply_folder,
    plan_folder,
    read_folder,
    write_folder,
)
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import InvalidInput
from muster_core.settings import Settings
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration

CATALOG = """
version: 1
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders.parquet}, time: ordered_at}
relationships:
  - {name: placed, from: orders.customer, to: customers.id}
"""
FOLDER = {
    "buyers.yaml": """
name: buyers
tags: [crm]
rules:
  - where: {kind: measure, name: orders_made, compare: gte, value: 2}
---
name: orders_made
by: {table: orders, aggregate: {function: count}}
""",
    "british.yaml": """
name: british
schedule: {cron: "0 6 * * *", timezone: Europe/London}
rules:
  - where: country = 'GB'
  - combine: except
    where: {kind: segment, name: buyers}
""",
    "crm.yaml": "name: crm\nsegments: [buyers, british]\nconnection: {kind: folder, path: out}\n",
}


@pytest.fixture
def workspace(
    database_url: str, redis_url: str, lake_url: str, tmp_path: Path
) -> Iterator[Workspace]:
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), lake_url=lake_url
    )
    customers = pa.table({"id": ["a", "b"], "country": ["GB", None]})
    orders = pa.table(
        {"customer": ["a"], "ordered_at": pa.array([0], pa.timestamp("us", tz="UTC"))}
    )
    pq.write_table(customers, tmp_path / "customers.parquet")
    pq.write_table(orders, tmp_path / "orders.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    with open_workspace(settings) as opened:
        apply_catalog(opened, tmp_path / "catalog.yaml")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "folder"
    (found / "out").mkdir(parents=True)
    for name, text in FOLDER.items():
        (found / name).write_text(text)
    return found


def plan(workspace: Workspace, folder: Path) -> Plan:
    return plan_folder(workspace, read_folder(folder, workspace))


def apply(workspace: Workspace, folder: Path) -> Plan:
    return apply_folder(workspace, read_folder(folder, workspace))


def changes(found: Plan) -> dict[str, str]:
    return {step.name: step.change for step in found.steps}


def test_a_plan_says_what_applying_does_and_the_second_time_nothing_changes(
    workspace: Workspace, folder: Path
) -> None:
    said = plan(workspace, folder)
    assert list_segments(workspace) == []
    assert changes(said) == dict.fromkeys(["orders_made", "buyers", "british", "crm"], "created")
    assert apply(workspace, folder) == said
    again = apply(workspace, folder)
    assert again.changes == 0
    assert (again.drift, again.absent) == ([], [])
    with transaction(workspace.database) as connection:
        entries = list_entries(connection, limit=100)
    actions = [entry.action for entry in entries if not entry.action.startswith("catalog")]
    assert sorted(actions) == [
        "export.created",
        "measure.created",
        "segment.created",
        "segment.created",
    ]


def test_an_edited_file_changes_what_the_plan_says_and_nothing_else(
    workspace: Workspace, folder: Path
) -> None:
    apply(workspace, folder)
    (folder / "british.yaml").write_text(FOLDER["british.yaml"].replace("'GB'", "'IE'"))
    (folder / "crm.yaml").unlink()
    said = plan(workspace, folder)
    assert changes(said) == {
        "orders_made": "unchanged",
        "buyers": "unchanged",
        "british": "changed",
    }
    (difference,) = next(step for step in said.steps if step.name == "british").differences
    assert (difference.pointer, difference.before, difference.after) == (
        "/rules/0/where/value",
        "GB",
        "IE",
    )
    assert said.absent == [("export", "crm")]
    assert apply(workspace, folder) == said


def test_what_was_changed_by_hand_is_shown(workspace: Workspace, folder: Path) -> None:
    apply(workspace, folder)
    act(workspace, Action.TAG, ["buyers"], Options(add_tags=["by_hand"]))
    act(workspace, Action.DELETE, ["british"], Options(force=True))
    said = plan(workspace, folder)
    drift = {one.name: one for one in said.drift}
    assert set(drift) == {"buyers", "british"}
    assert drift["british"].deleted
    assert [d.pointer for d in drift["buyers"].differences] == ["/tags/1"]
    assert drift["buyers"].applied_by == workspace.actor
    assert changes(said)["british"] == "created"
    apply(workspace, folder)
    assert plan(workspace, folder).drift == []
    assert {line.name: line.tags for line in list_segments(workspace)}["buyers"] == ["crm"]


def test_a_folder_that_was_written_changes_nothing(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    apply(workspace, folder)
    act(workspace, Action.DEACTIVATE, ["british"])
    written = write_folder(workspace, tmp_path / "written")
    assert [str(path.relative_to(tmp_path / "written")) for path in written] == [
        "exports/crm.yaml",
        "measures/orders_made.yaml",
        "segments/british.yaml",
        "segments/buyers.yaml",
    ]
    assert yaml.safe_load(written[2].read_text())["state"] == "inactive"
    assert plan(workspace, tmp_path / "written").changes == 0


def test_one_wrong_document_keeps_everything_out(workspace: Workspace, folder: Path) -> None:
    (folder / "wrong.yaml").write_text("name: wrong\nrules: [{where: nowhere = 1}]\n")
    for what in (plan, apply):
        with pytest.raises(InvalidInput) as raised:
            what(workspace, folder)
        assert raised.value.problems[0].file == str(folder / "wrong.yaml")
    (folder / "wrong.yaml").write_text("name: bad name\nconnection: {kind: ftp}\n")
    with pytest.raises(InvalidInput) as raised:
        plan(workspace, folder)
    assert {problem.pointer for problem in raised.value.problems} >= {"/name", "/segments"}
    assert list_segments(workspace) == []
