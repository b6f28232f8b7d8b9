"""Commands and routes of erasing, as people call them: the key is asked for, and told nowhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import drain
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table

from muster_console.cli.app import app
from muster_console.operation import erasure as operation
from muster_console.operation.member import look_at_members
from muster_console.operation.workspace import open_workspace, required_catalog
from muster_core.errors import InvalidInput
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segments

pytestmark = pytest.mark.integration


@pytest.fixture
def world(
    database: sa.Engine,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    made = build_world(database, database_url, tmp_path, [partition_table(0, 300)], COLUMNS)
    made.publish("vip", 1.0)
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAKE_URL": made.lake.url,
        "MUSTER_HOME": str(made.settings.home),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    # what an exporter of this process has logged so far
    capsys.readouterr()
    app([*words, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_the_commands_of_the_guide_erase_a_customer_and_show_the_receipt(
    world, capsys, caplog, tmp_path
):
    caplog.set_level(logging.DEBUG)
    gone = str(world.members("vip", 1, ["id"]).column("id")[7])
    to = f"{world.target}/"
    made = run(capsys, "export", "create", "mail", "--segment", "vip", "--to", to)
    assert made == {"name": "mail", "change": "created"}
    run(capsys, "export", "duplicate", "mail", "mail_copy")
    assert len(run(capsys, "export", "deliver", "--all")) == 2  # type: ignore[arg-type]
    drain(world)
    assert run(capsys, "export", "refused", "mail", "--file", f"{tmp_path}/refused.csv") == {
        "file": f"{tmp_path}/refused.csv",
        "rows": 0,
    }

    first = run(capsys, "customer", "erase", gone)
    drain(world)
    shown = run(capsys, "customer", "receipt", "1")
    capsys.readouterr()
    app(["customer", "receipt", "1"], standalone_mode=False)
    app(["customer", "receipts"], standalone_mode=False)
    table = capsys.readouterr().out
    assert isinstance(first, dict)
    assert isinstance(shown, dict)
    assert (first["state"], shown["state"]) == ("open", "complete")
    assert [(p["export"], p["versions"]) for p in shown["parts"]] == [
        ("mail", {"vip": [1]}),
        ("mail_copy", {"vip": [1]}),
    ]
    assert gone not in f"{first} {shown} {table} {caplog.text}"
    assert run(capsys, "customer", "receipts") == [shown]

    with open_workspace(Settings()) as workspace:
        page = look_at_members(workspace, "vip", columns=[], limit=10_000)
        with transaction(workspace.database) as connection:
            entries = [e for e in list_entries(connection) if e.action == "customer.erased"]
    assert gone not in {row["id"] for row in page.members}
    assert len(page.members) == world.members("vip", 1, ["id"]).num_rows - 1
    assert [e.object for e in entries] == ["erasure 1"]


def test_the_receipt_names_the_segments_that_list_the_key_until_it_is_taken_out(world, capsys):
    gone, stays = (str(key) for key in world.members("vip", 1, ["id"]).column("id")[7:9])
    compared = {"kind": "attribute", "column": "id", "compare": "in", "value": [gone, stays]}
    documents: list[dict[str, object]] = [
        {"name": "by_hand", "manual": {"add": [stays], "remove": [gone]}},
        {"name": "by_rule", "rules": [{"where": compared}]},
        {"name": "neither", "manual": {"add": [stays]}},
    ]
    _save(world, documents)
    found = run(capsys, "customer", "erase", gone)
    assert isinstance(found, dict)
    assert found["listed_in"] == ["by_hand", "by_rule"]
    app(["customer", "receipt", "1"], standalone_mode=False)
    table = capsys.readouterr().out
    assert "by_hand, by_rule" in table
    assert gone not in f"{found} {table}"

    _save(world, [documents[0] | {"manual": {"add": [stays]}}])
    assert [r["listed_in"] for r in run(capsys, "customer", "receipts")] == [["by_rule"]]  # type: ignore[attr-defined]


def _save(world: World, documents: list[dict[str, object]]) -> None:
    with transaction(world.database) as connection:
        apply_segments(connection, [parse_segment(document) for document in documents])


def test_a_key_that_is_none_is_refused_without_a_word_of_it(world):
    with open_workspace(Settings()) as workspace, pytest.raises(InvalidInput) as caught:
        operation.erase_customer(workspace, "")
    assert "text" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("kind", "written", "key"), [("integer", "007", "7"), ("text", "7 ", "7 ")]
)
def test_a_key_is_taken_in_its_canonical_form(world, kind, written, key):
    with transaction(world.database) as connection:
        from_store = required_catalog(connection)
    profile = from_store.profile.model_copy(update={"columns": {**COLUMNS, "id": kind}})
    catalog = from_store.model_copy(update={"profile": profile})
    assert operation.canonical_key(catalog, written) == key
    if kind == "integer":
        with pytest.raises(InvalidInput) as caught:
            operation.canonical_key(catalog, "canary")
        assert "canary" not in f"{caught.value} {caught.value.problems}"
