"""Exports and connections as commands do them: looked at, changed, controlled, and written into the audit."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.integration.exporter.connected import connect, deliveries
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table

from muster_console.operation import connection as connection_operation
from muster_console.operation import export as operation
from muster_console.operation.new_export import create_export, duplicate_export
from muster_console.operation.refused import download_refused
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import Conflict, InvalidInput
from muster_core.exports.document import Format
from muster_core.security.role import Principal, Role
from muster_core.settings import Settings
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment
from muster_core.storage.export import set_export_active
from muster_core.storage.export_table import delivery_refused, export

pytestmark = pytest.mark.integration

EXPORT = "name: crm\nconnection: there\nsegments: [vip]\ncolumns: [email]\n"


@pytest.fixture
def world(database: sa.Engine, database_url: str, tmp_path: Path) -> World:
    return build_world(database, database_url, tmp_path, [partition_table(0, 700)], COLUMNS)


@pytest.fixture
def workspace(world: World, redis_url: str):
    connect(world, {"name": "there", "kind": "folder", "path": str(world.target)}, {})
    world.publish("vip")
    world.publish("loyal")
    settings = Settings(
        database_url=world.settings.database_url,
        redis_url=SecretStr(redis_url),
        lake_url=world.lake.url,
        home=world.settings.home,
    )
    with open_workspace(settings) as opened:
        yield opened


def actions(workspace: Workspace) -> list[tuple[str, str]]:
    with transaction(workspace.database) as connection:
        return [(e.action, e.object) for e in list_entries(connection)][::-1]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "export.yaml"
    path.write_text(EXPORT)
    return path


def test_a_check_tells_problems_and_sizes_and_changes_nothing(workspace, written, world):
    (checked,) = operation.check_exports(workspace, written)
    assert (checked.name, checked.problems) == ("crm", [])
    assert [(s.segment, s.version, s.members) for s in checked.segments] == [
        ("vip", 1, world.members("vip", 1, ["id"]).num_rows)
    ]
    written.write_text(EXPORT.replace("email", "mail") + "mode: mirror\n")
    (checked,) = operation.check_exports(workspace, written)
    assert [p.pointer for p in checked.problems] == ["/columns/0", "/mode"]
    assert operation.list_exports(workspace) == []


def test_a_segment_is_put_into_an_export_and_taken_out(workspace, written):
    operation.apply_exports(workspace, written)
    assert operation.exports_of(workspace, "loyal") == [("crm", False)]
    assert operation.change_segments(workspace, "crm", "loyal", add=True) == "changed"
    assert operation.exports_of(workspace, "loyal") == [("crm", True)]
    assert operation.change_segments(workspace, "crm", "loyal", add=False) == "changed"
    with pytest.raises(Conflict, match="only segment"):
        operation.change_segments(workspace, "crm", "vip", add=False)


def test_a_contributor_delivers_only_where_an_administrator_said_so(
    workspace, written, world, tmp_path
):
    ann = workspace.of(Principal(name="ann", role=Role.CONTRIBUTOR))
    with pytest.raises(InvalidInput) as refused:
        operation.apply_exports(ann, written)
    assert [p.pointer for p in refused.value.problems] == ["/connection"]
    assert operation.list_exports(workspace) == []

    path = tmp_path / "connection.yaml"
    path.write_text(f"name: there\nkind: folder\npath: {world.target}\ncontributors: true\n")
    connection_operation.create_connection(workspace, path, None)
    assert operation.apply_exports(ann, written) == [("crm", "created")]
    assert operation.change_segments(ann, "crm", "loyal", add=True) == "changed"

    # a folder in place may be any folder of the exporter's machine
    written.write_text(EXPORT.replace("there", f"{{kind: folder, path: {world.target}}}"))
    with pytest.raises(InvalidInput):
        operation.apply_exports(ann, written)
    assert operation.get_export(workspace, "crm").document.connection == "there"


def test_what_people_do_stands_in_the_audit(workspace, written, tmp_path, world):
    folder = tmp_path / "connection.yaml"
    folder.write_text(f"name: more\nkind: folder\npath: {world.target}\n")
    connection_operation.create_connection(workspace, folder, None)
    operation.apply_exports(workspace, written)
    operation.apply_exports(workspace, written)
    operation.deliver(workspace, "crm")
    (delivery,) = deliveries(world)
    operation.control_delivery(workspace, delivery.id, "held")
    operation.control_delivery(workspace, delivery.id, "released")
    operation.control_delivery(workspace, delivery.id, "cancelled")
    connection_operation.pause_connection(workspace, "there", paused=True)
    connection_operation.detach_connection(workspace, "there")
    with pytest.raises(Conflict, match="taken away"):
        operation.deliver(workspace, "crm")
    connection_operation.delete_connection(workspace, "there")
    operation.delete_export(workspace, "crm")

    assert actions(workspace) == [
        ("connection.created", "more"),
        ("export.created", "crm"),
        ("export.delivery_requested", "crm"),
        ("delivery.held", str(delivery.id)),
        ("delivery.released", str(delivery.id)),
        ("delivery.cancelled", str(delivery.id)),
        ("connection.paused", "there"),
        ("connection.detached", "there"),
        ("connection.deleted", "there"),
        ("export.deleted", "crm"),
    ]


def test_an_export_that_names_no_connection_there_is_is_refused(workspace, written):
    written.write_text(EXPORT.replace("there", "their"))
    with pytest.raises(Exception, match="no connection `their`"):
        operation.apply_exports(workspace, written)
    written.write_text(EXPORT + "policy: every\nschedule: manual\n")
    with pytest.raises(InvalidInput):
        operation.apply_exports(workspace, written)


def test_an_export_is_made_from_a_segment_and_duplicated(workspace, world):
    made = create_export(
        workspace, "mail", ["vip"], to="there", columns=["email", "age=years"], form=Format.JSONL
    )
    assert operation.exports_of(workspace, "vip") == [(made, True)]
    assert duplicate_export(workspace, made, "again") == "again"
    one, two = operation.list_exports(workspace)
    assert one.document.model_copy(update={"name": "mail"}) == two.document
    with pytest.raises(Conflict, match="There is an export"):
        duplicate_export(workspace, made, "again")
    with pytest.raises(InvalidInput):
        create_export(workspace, "more", ["vip"], to=str(world.target / "nowhere"))
    ann = workspace.of(Principal(name="ann", role=Role.CONTRIBUTOR))
    with pytest.raises(InvalidInput):
        create_export(ann, "hers", ["vip"], to=f"{world.target}/")


def test_every_export_is_delivered_on_demand_though_it_is_inactive(workspace, world):
    for name in ("one", "two"):
        create_export(workspace, name, ["vip", "loyal"], to=f"{world.target}/")
    with transaction(workspace.database) as connection:
        set_export_active(connection, "two", active=False)
    requested = operation.deliver_all(workspace)

    assert [(export, r.segment, r.state) for export, r in requested] == [
        ("one", "loyal", "pending"),
        ("one", "vip", "pending"),
        ("two", "loyal", "pending"),
        ("two", "vip", "pending"),
    ]


@pytest.mark.parametrize("end", ["csv", "jsonl"])
def test_refused_rows_are_written_to_a_file_of_ones_own(workspace, world, written, tmp_path, end):
    operation.apply_exports(workspace, written)
    with transaction(workspace.database) as connection:
        export_id = connection.scalar(sa.select(export.c.id))
        segment_id = connection.scalar(sa.select(segment.c.id).where(segment.c.name == "vip"))
        row = {"export_id": export_id, "segment_id": segment_id, "operation": "add", "version": 1}
        places = [{**row, "partition": 0, "ordinal": n, "reason": "bad_email"} for n in (3, 7)]
        connection.execute(delivery_refused.insert(), places)
    path = tmp_path / f"refused.{end}"

    assert download_refused(workspace, "crm", path) == 2
    text = path.read_text()
    assert all(key in text for key in ("C0-000003", "C0-000007", "bad_email"))
    assert path.stat().st_mode & 0o007 == 0
    assert actions(workspace)[-1] == ("export.refused_rows_downloaded", "crm")
    with pytest.raises(InvalidInput) as caught:
        download_refused(workspace, "crm", tmp_path / "refused.txt")
    assert "not clear" in str(caught.value.problems[0])
