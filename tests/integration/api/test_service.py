"""Settings, limits and clean-up over the API: who may change them, and what they say."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import Api
from tests.integration.api.test_segment import NEW, save

from muster_console.operation.service import level_of
from muster_console.operation.workspace import Workspace
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration


def put(api: Api, name: str, value: object, *, who: str = "administrator"):
    return api.call(who, "PUT", f"/settings/{name}", json={"value": value})


def test_settings_are_changed_by_administrators_and_go_back_to_their_default(api: Api) -> None:
    before = {one["name"]: one for one in api.call("viewer", "GET", "/settings").json()}
    assert before["active_segments"]["value"] == 1_000
    assert put(api, "active_segments", 5, who="contributor").status_code == 403
    assert put(api, "active_segments", 5).json()["value"] == 5
    for name, value, status in (
        ("active_segments", 0, 422),
        ("active_segments", True, 422),
        ("active_segments", 10**30, 422),
        ("active_segments", "5", 422),
        ("cleanup", 1, 422),
        ("cleanups", 1, 404),
    ):
        assert put(api, name, value).status_code == status, (name, value)
    after = {one["name"]: one for one in api.call("viewer", "GET", "/settings").json()}
    assert after["active_segments"]["changed_at"] is not None
    assert put(api, "active_segments", None).json()["value"] == 1_000
    entries = api.call("administrator", "GET", "/audit").json()["items"]
    assert [e["object"] for e in entries if e["action"] == "setting.changed"] == [
        "active_segments",
        "active_segments",
    ]


@pytest.mark.parametrize(
    ("used", "level"), [(7, "fine"), (8, "approaching"), (10, "reached"), (11, "exceeded")]
)
def test_a_limit_says_how_near_it_is(used: int, level: str) -> None:
    assert level_of(used, 10, 80) == level


def test_the_banner_names_what_nothing_uses(api: Api) -> None:
    for name in ("used", "unused", "off"):
        save(api, name, state="inactive" if name == "off" else "active")
    referring = {"name": "user", "rules": [{"where": {"kind": "segment", "name": "used"}}]}
    api.call("contributor", "PUT", "/segments/user", json=referring, headers=NEW)
    assert api.call("viewer", "GET", "/limits").json()["banner"] is None
    put(api, "active_segments", 3)
    found = api.call("viewer", "GET", "/limits").json()
    line = next(one for one in found["limits"] if one["name"] == "active_segments")
    assert (line["used"], line["limit"], line["level"]) == (3, 3, "reached")
    assert [one["name"] for one in found["least_used"]] == ["unused", "user"]
    assert "unused" in found["banner"]


def test_clean_up_is_for_administrators_and_says_first_what_it_would_do(
    api: Api, workspace: Workspace
) -> None:
    save(api, "old")
    save(api, "young")
    with transaction(workspace.database) as connection:
        connection.execute(
            text(
                "UPDATE segment SET created_at = created_at - interval '46 days',"
                " updated_at = updated_at - interval '46 days' WHERE name = 'old'"
            )
        )
    assert api.call("contributor", "POST", "/cleanup", json={}).status_code == 403
    said = api.call("administrator", "POST", "/cleanup", json={"dry_run": True}).json()
    assert [one["name"] for one in said["found"]] == ["old"]
    assert api.call("viewer", "GET", "/segments/old").json()["segment"]["state"] == "active"
    api.call("administrator", "POST", "/cleanup", json={})
    old = api.call("viewer", "GET", "/segments/old").json()["segment"]
    assert (old["state"], old["tags"]) == ("inactive", ["AutoDeactivated"])
    body = {"action": "activate", "filter": {"tag": "AutoDeactivated"}}
    api.call("contributor", "POST", "/segments/actions", json=body)
    old = api.call("viewer", "GET", "/segments/old").json()["segment"]
    assert (old["state"], old["tags"]) == ("active", [])
