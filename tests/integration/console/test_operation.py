"""Applying documents on a real control database: all or nothing, and nothing that would break others."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from muster_console.operation.action import delete_segment
from muster_console.operation.catalog import apply_catalog, show_catalog
from muster_console.operation.export import apply_exports, deliver, list_exports
from muster_console.operation.member import look_at_members
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.run import look_at_run, look_at_runs
from muster_console.operation.saving import apply_segments
from muster_console.operation.segment import list_segments, show_segment
from muster_console.operation.system import (
    get_system_schedule,
    latest_system_refresh,
    refresh_system,
    set_system_schedule,
)
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import Conflict, InvalidInput, NotFound
from muster_core.settings import Settings
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration
CATALOG = "version: 1\nprofile: {table: customers, key: id, source: {parquet: customers.parquet}}\n"
SEGMENT = (
    "name: british\nrules: [{where: {kind: attribute, column: country, compare: eq, value: GB}}]\n"
)


@pytest.fixture
def workspace(database_url: str, redis_url: str, lake_url: str) -> Iterator[Workspace]:
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), lake_url=lake_url
    )
    with open_workspace(settings) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = pa.table({"id": ["a", "b"], "country": ["GB", None]})
    pq.write_table(table, tmp_path / "customers.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    (tmp_path / "segment.yaml").write_text(SEGMENT)
    (tmp_path / "out").mkdir()
    return tmp_path


def test_a_catalog_is_applied_once(workspace: Workspace, folder: Path) -> None:
    first = apply_catalog(workspace, folder / "catalog.yaml")
    again = apply_catalog(workspace, folder / "catalog.yaml")
    assert first.changed
    assert not again.changed
    assert again.id == first.id
    assert show_catalog(workspace).profile.columns == {"id": "text", "country": "text"}


def test_a_catalog_that_breaks_a_segment_in_use_is_refused(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    apply_segments(workspace, folder / "segment.yaml")
    pq.write_table(pa.table({"id": ["a", "b"]}), folder / "customers.parquet")
    with pytest.raises(InvalidInput, match="segments in use") as raised:
        apply_catalog(workspace, folder / "catalog.yaml")
    assert "british" in str(raised.value.problems[0])
    assert "country" in show_catalog(workspace).profile.columns


def test_segments_wait_for_a_catalog(workspace: Workspace, folder: Path) -> None:
    with pytest.raises(Conflict, match="no catalog"):
        apply_segments(workspace, folder / "segment.yaml")


def test_one_wrong_document_keeps_a_whole_folder_out(workspace: Workspace, folder: Path) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    documents = folder / "segments"
    documents.mkdir()
    (documents / "a.yaml").write_text(SEGMENT)
    (documents / "b.yaml").write_text(SEGMENT.replace("british", "other").replace("country", "x"))
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, documents)
    assert [problem.file for problem in raised.value.problems] == [str(documents / "b.yaml")]
    assert list_segments(workspace) == []


def test_a_name_that_stands_twice_is_a_problem(workspace: Workspace, folder: Path) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    (folder / "segment.yaml").write_text(f"{SEGMENT}---\n{SEGMENT}")
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, folder / "segment.yaml")
    assert "is defined in" in raised.value.problems[0].message


def test_a_refresh_is_a_run_somebody_asked_for(workspace: Workspace, folder: Path) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    (applied,) = apply_segments(workspace, folder / "segment.yaml")
    assert (applied.name, applied.change, applied.warnings) == ("british", "created", [])
    (requested,) = refresh_segments(workspace, None)
    view = look_at_run(workspace, requested.run_id)
    assert (view.run.state, view.run.trigger) == ("pending", "manual")
    assert view.run.scheduler == workspace.actor
    assert len(view.events) == 1
    assert len(look_at_runs(workspace, segment="british", state="active", limit=5)) == 1
    assert look_at_runs(workspace, segment=None, state="published", limit=5) == []
    with pytest.raises(InvalidInput):
        look_at_runs(workspace, segment=None, state="done", limit=5)


def test_a_refresh_is_tried_as_often_as_the_settings_say(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    apply_segments(workspace, folder / "segment.yaml")
    patient = replace(workspace, settings=workspace.settings.model_copy(update={"max_attempts": 9}))
    refresh_segments(patient, None)
    refresh_system(patient)
    with transaction(workspace.database) as connection:
        attempts = connection.scalars(text("SELECT max_attempts FROM refresh_run")).all()
    assert set(attempts) == {9}


def test_a_segment_without_version_shows_no_counts_and_has_no_members(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    apply_segments(workspace, folder / "segment.yaml")
    view = show_segment(workspace, "british")
    assert view.segment.members is None
    assert [(rule.number, rule.members) for rule in view.rules] == [(1, None)]
    with pytest.raises(Conflict, match="never refreshed"):
        look_at_members(workspace, "british", columns=[], limit=5)
    with pytest.raises(NotFound):
        show_segment(workspace, "brittish")


def test_exports_are_applied_together_and_deliver_nothing_before_a_version(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    apply_segments(workspace, folder / "segment.yaml")
    file = folder / "exports.yaml"
    export = "connection: {kind: folder, path: out}\nsegments: [british]\n"
    file.write_text(f"name: one\n{export}---\nname: two\n{export}columns: [nope]\n")
    with pytest.raises(InvalidInput):
        apply_exports(workspace, file)
    assert list_exports(workspace) == []
    file.write_text(f"name: one\n{export}")
    assert apply_exports(workspace, file) == [("one", "created")]
    assert [(d.segment, d.version) for d in deliver(workspace, "one")] == [("british", None)]


def test_the_system_schedule_is_off_until_it_is_set(workspace: Workspace, folder: Path) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    apply_segments(workspace, folder / "segment.yaml")
    assert get_system_schedule(workspace).next_due_at is None
    found = set_system_schedule(workspace, cron="0 5 * * *", timezone="Europe/London")
    assert found.next_due_at is not None
    with pytest.raises(InvalidInput):
        set_system_schedule(workspace, cron="0 5 * * *", timezone="Europe/Atlantis")
    assert get_system_schedule(workspace) == found
    assert set_system_schedule(workspace, cron=None).next_due_at is None
    assert latest_system_refresh(workspace) == 0
    assert len(refresh_system(workspace).run_ids) == 1
    assert latest_system_refresh(workspace) == 1


def test_a_draft_is_saved_with_its_problems_and_never_runs(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    file = folder / "segment.yaml"
    wrong = SEGMENT.replace("country", "county") + "schedule: {cron: '61 * * * *'}\n"
    file.write_text(wrong + "state: draft\n")
    (applied,) = apply_segments(workspace, file)
    assert applied.change == "created"
    assert [(p.pointer, p.line) for p in applied.warnings] == [
        ("/schedule/cron", 3),
        ("/rules/0/where/column", 2),
    ]
    (line,) = list_segments(workspace)
    assert (line.state, line.next_due_at) == ("draft", None)
    with pytest.raises(Conflict):
        refresh_segments(workspace, ["british"])
    assert refresh_segments(workspace, None) == []
    file.write_text(wrong)
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, file)
    assert [problem.line for problem in raised.value.problems] == [2, 3]
    file.write_text(SEGMENT)
    (applied,) = apply_segments(workspace, file)
    assert (applied.change, applied.warnings) == ("changed", [])


def test_rules_that_are_probably_not_meant_are_saved_with_warnings(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    file = folder / "segment.yaml"
    file.write_text(SEGMENT.replace("compare: eq", "compare: ne"))
    (applied,) = apply_segments(workspace, file)
    assert applied.change == "created"
    ((warning,),) = [applied.warnings]
    assert (warning.pointer, warning.line) == ("/rules/0", 2)
    assert "only says who does not belong" in warning.message


def test_references_to_segments_are_checked_against_the_folder_and_the_saved_ones(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    file = folder / "segment.yaml"
    one = "name: one\nrules: [{where: {kind: segment, name: %s}}]\n"
    file.write_text(one % "british")
    with pytest.raises(InvalidInput, match="1 problem"):
        apply_segments(workspace, file)
    file.write_text(f"{SEGMENT}---\n{one % 'british'}")
    assert [applied.change for applied in apply_segments(workspace, file)] == ["created"] * 2
    file.write_text((one % "one").replace("name: one", "name: british", 1))
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, file)
    assert "british -> one -> british" in raised.value.problems[0].message


def test_measures_are_saved_with_the_segments_that_use_them(
    workspace: Workspace, folder: Path
) -> None:
    pq.write_table(
        pa.table({"customer": ["a"], "total": [5], "word": ["x"]}), folder / "orders.parquet"
    )
    (folder / "catalog.yaml").write_text(
        f"{CATALOG}tables: {{orders: {{source: {{parquet: orders.parquet}}}}}}\n"
        "relationships: [{name: r, from: orders.customer, to: customers.id}]\n"
    )
    apply_catalog(workspace, folder / "catalog.yaml")
    file = folder / "segment.yaml"
    spent = "name: spent\nby: {table: orders, aggregate: {function: %s, column: %s}}\n"
    where = "{kind: measure, name: spent, compare: gt, value: 3}"
    rich = f"name: rich\nrules: [{{where: {where}}}]\n"
    file.write_text(rich)
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, file)
    assert "no measure 'spent'" in raised.value.problems[0].message
    file.write_text(f"{rich}---\n{spent % ('sum', 'total')}")
    applied = [(a.kind, a.name, a.change) for a in apply_segments(workspace, file)]
    assert applied == [("measure", "spent", "created"), ("segment", "rich", "created")]
    file.write_text(spent % ("first", "word"))
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, file)
    file.write_text(spent % ("sum", "totl"))
    with pytest.raises(InvalidInput) as raised:
        apply_segments(workspace, file)
    assert raised.value.problems[0].line == 2
    file.write_text(spent % ("max", "total"))
    assert [a.change for a in apply_segments(workspace, file)] == ["changed"]


def test_a_segment_shows_its_next_times_or_those_of_the_system(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    own = SEGMENT.replace("british", "own") + "schedule: {cron: '0 6 * * *'}\n"
    (folder / "segment.yaml").write_text(f"{SEGMENT}---\n{own}")
    apply_segments(workspace, folder / "segment.yaml")
    assert show_segment(workspace, "british").next_times == []
    assert len(show_segment(workspace, "own").next_times) == 5
    system = set_system_schedule(workspace, cron="0 5 * * *")
    times = show_segment(workspace, "british").next_times
    assert len(times) == 5
    assert times[0] == system.next_due_at


def test_a_segment_is_deleted_unless_an_export_delivers_it(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    (folder / "segment.yaml").write_text(f"{SEGMENT}---\n{SEGMENT.replace('british', 'other')}")
    apply_segments(workspace, folder / "segment.yaml")
    (folder / "exports.yaml").write_text(
        "name: one\nconnection: {kind: folder, path: out}\nsegments: [british]\n"
    )
    apply_exports(workspace, folder / "exports.yaml")
    with pytest.raises(Conflict, match="`one`"):
        delete_segment(workspace, "british")
    delete_segment(workspace, "other")
    assert [line.name for line in list_segments(workspace)] == ["british"]
    with pytest.raises(NotFound):
        delete_segment(workspace, "other")


def test_a_segment_that_cannot_be_read_is_shown_as_broken_beside_the_others(
    workspace: Workspace, folder: Path
) -> None:
    apply_catalog(workspace, folder / "catalog.yaml")
    (folder / "segment.yaml").write_text(f"{SEGMENT}---\n{SEGMENT.replace('british', 'other')}")
    apply_segments(workspace, folder / "segment.yaml")
    with transaction(workspace.database) as connection:
        connection.execute(
            text("UPDATE segment SET document = '{\"rules\": 7}' WHERE name = 'other'")
        )
    fine, broken = list_segments(workspace)
    assert (fine.name, fine.problem) == ("british", None)
    assert (broken.name, broken.status, broken.reason) == ("other", "failed", "unreadable")
    assert broken.problem == "The stored definition cannot be read. Apply the segment again."
    view = show_segment(workspace, "other")
    assert (view.document, view.rules) == ({"rules": 7}, [])
    (folder / "segment.yaml").write_text(SEGMENT.replace("british", "other"))
    apply_segments(workspace, folder / "segment.yaml")
    assert list_segments(workspace)[1].problem is None
