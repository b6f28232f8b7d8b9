"""Keys and personal values that somebody wrote into a definition: hidden without the grant, kept by whoever edits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from tests.integration.api.conftest import Api
from tests.integration.remote.conftest import Run

from muster_console.operation.building import open_building
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.spelling import plain_of
from muster_core.security.role import Principal, Role

pytestmark = pytest.mark.integration

CANARY = "qcanaryq"
DOCUMENT: dict[str, Any] = {
    "name": "listed",
    "rules": [
        {
            "where": {
                "kind": "attribute",
                "column": "id",
                "compare": "in",
                "value": [f"{CANARY}1", f"{CANARY}2"],
            }
        },
        {
            "combine": "union",
            "where": {
                "kind": "rows",
                "table": "orders",
                "aggregate": {"function": "exists"},
                "where": {
                    "kind": "attribute",
                    "column": "customer",
                    "compare": "eq",
                    "value": f"{CANARY}3",
                },
            },
        },
        {
            "combine": "union",
            "where": {"kind": "attribute", "column": "age", "compare": "gt", "value": 60},
        },
    ],
    "manual": {"add": [f"{CANARY}4", f"{CANARY}5"], "remove": [f"{CANARY}1"]},
}
BROKEN = {"name": "broken", "state": "draft", "rules": [{"where": f"id = = '{CANARY}6'"}]}
#: Routes that say something of a definition.
_LOOKS = (
    *("segments/listed", "segments/listed/versions", "segments/listed/versions/1"),
    *("segments/listed/diff", "segments/listed/problems", "segments/broken", "documents"),
    *("segments/broken/versions/1", "segments/broken/problems", "measures/named", "measures"),
    "audit",
)


@pytest.fixture
def api(served: tuple[Api, Workspace]) -> Api:
    api, _ = served
    for document in (DOCUMENT, BROKEN):
        made = api.call("root", "POST", "/segments", json=document)
        assert made.status_code == 201, made.text
    measure = {
        "name": "named",
        "by": {
            "table": "orders",
            "aggregate": {"function": "count"},
            "where": DOCUMENT["rules"][1]["where"]["where"],
        },
    }
    new = {"If-None-Match": "*"}
    assert api.call("root", "PUT", "/measures/named", json=measure, headers=new).is_success
    more = {**DOCUMENT, "manual": {"add": [f"{CANARY}5", f"{CANARY}7"]}}
    changed = api.call("root", "PUT", "/segments/listed", json=more, headers={"If-Match": '"1"'})
    assert changed.is_success, changed.text
    return api


def stored(database: sa.Engine, name: str) -> dict[str, Any]:
    with database.connect() as connection:
        query = sa.text("SELECT document FROM segment WHERE name = :name")
        found: dict[str, Any] = connection.execute(query, {"name": name}).scalar_one()
        return found


def test_a_definition_says_no_key_without_the_grant_and_comes_back_whole(
    api: Api, served: tuple[Api, Workspace], database: sa.Engine, run: Run, tmp_path: Path
) -> None:
    """I15."""
    before = {name: stored(database, name) for name in ("listed", "broken")}
    said = []
    for who in ("viewer", "contributor", "administrator"):
        for path in _LOOKS:
            answer = api.call(who, "GET", f"/{path}")
            assert answer.is_success or path == "audit", answer.text
            said.append(answer.text)
    shown = api.call("contributor", "GET", "/segments/listed")
    document = shown.json()["document"]
    for path in ("segments/preview", "segments/plan"):
        counted = api.call("contributor", "POST", f"/{path}", json=document)
        assert counted.status_code in (200, 409), counted.text
        said.append(counted.text)
    files = {"files": [{"name": "listed.yaml", "text": yaml.safe_dump(document)}]}
    for path in ("plan/files", "rules/check"):
        planned = api.call("contributor", "POST", f"/{path}", json=files)
        assert planned.status_code == 200, planned.text
        said.append(planned.text)
    said += [run("segment show listed", who="contributor")[1]]
    said += [run("segment diff listed", who="contributor")[1]]
    said += [run("export -f", str(tmp_path / "out"), who="contributor")[1]]
    said += [path.read_text() for path in tmp_path.glob("out/**/*.yaml")]
    assert not [text for text in said if CANARY in text]
    assert len(document["manual"]["add"]) == 2, "how many there are is told"
    # whoever may see it reads it as it was written
    assert CANARY in api.call("seer", "GET", "/segments/listed").text

    # saved as it was read nothing changes; what is edited keeps the rest
    tag = {"If-Match": shown.headers["ETag"]}
    same = api.call("contributor", "PUT", "/segments/listed", json=document, headers=tag)
    assert (same.status_code, same.json()["change"]) == (200, "unchanged")
    document["description"] = "everybody we know"
    document["manual"]["add"] = [document["manual"]["add"][1], "c9"]
    edited = api.call("contributor", "PUT", "/segments/listed", json=document, headers=tag)
    assert edited.status_code == 200, edited.text
    assert stored(database, "listed") == {
        **before["listed"],
        "description": "everybody we know",
        "manual": {"add": [f"{CANARY}7", "c9"]},
    }
    late = api.call("contributor", "PUT", "/segments/listed", json=document, headers=tag)
    assert late.status_code == 412
    # an older reading still means what it meant
    newest = {"If-Match": api.call("contributor", "GET", "/segments/listed").headers["ETag"]}
    kept = api.call("contributor", "PUT", "/segments/listed", json=document, headers=newest)
    assert (kept.status_code, kept.json()["change"]) == (200, "unchanged")

    read = api.call("contributor", "GET", "/segments/broken")
    draft, tag = {**read.json()["document"], "description": "x"}, read.headers["ETag"]
    based = {"If-Match": tag}
    again = api.call("contributor", "PUT", "/segments/broken", json=draft, headers=based)
    assert again.status_code == 200, again.text
    assert stored(database, "broken") == {**before["broken"], "description": "x"}

    new = {"If-None-Match": "*"}
    # a copy is made by the server, and no other definition can take what is hidden
    copied = api.call("contributor", "POST", "/segments/listed/duplicate", json={"name": "twin"})
    assert copied.status_code == 201, copied.text
    assert stored(database, "twin")["manual"] == stored(database, "listed")["manual"]
    for wrong in ({**document, "name": "thief"}, {**document, "description": "(hidden 1.0)"}):
        path = f"/segments/{wrong['name']}"
        found = api.call("contributor", "GET", path)
        based = {"If-Match": found.headers["ETag"]} if found.is_success else new
        refused = api.call("contributor", "PUT", path, json=wrong, headers=based)
        assert refused.status_code == 422, refused.text
        assert "stands for no value that is hidden there" in refused.text
        assert CANARY not in refused.text

    # the builder opens the same, and what it checks with stays with it
    _, workspace = served
    blind = workspace.of(Principal(name="c", role=Role.CONTRIBUTOR, members=False))
    ground = open_building(blind, "listed")
    assert ground.document is not None
    assert CANARY not in json.dumps(plain_of(ground.document))
    assert CANARY in json.dumps(list(ground.hidden.values()))
    assert open_building(workspace, "listed").hidden == {}
