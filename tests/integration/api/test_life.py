"""The life of segments over the API: actions on many with a result for each, copies, versions, tags."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import Api
from tests.integration.api.test_segment import NEW, document, save

from muster_console.operation.export import apply_exports
from muster_console.operation.workspace import Workspace
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration


def act(api: Api, action: str, names=(), *, who: str = "contributor", **options):
    body = {"action": action, "names": list(names), **options}
    answer = api.call(who, "POST", "/segments/actions", json=body)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["results"]}


def outcomes(results) -> dict[str, str]:
    return {name: one["outcome"] for name, one in results.items()}


def line(api: Api, name: str):
    return api.call("viewer", "GET", f"/segments/{name}").json()["segment"]


def referring(name: str, to: str):
    return {"name": name, "rules": [{"where": {"kind": "segment", "name": to}}]}


def export_of(workspace: Workspace, folder: Path, *segments: str, name: str = "crm") -> None:
    (folder / "out").mkdir(exist_ok=True)
    (folder / "export.yaml").write_text(
        f"name: {name}\nsegments: [{', '.join(segments)}]\n"
        f"connection: {{kind: folder, path: {folder / 'out'}}}\n"
    )
    apply_exports(workspace, folder / "export.yaml")


def test_an_action_tells_of_each_segment_what_became_of_it(api: Api) -> None:
    save(api, "a")
    save(api, "b", state="draft", value=1)
    save(api, "c", state="inactive")
    done = act(api, "activate", ["a", "b", "c", "d", "a"])
    assert outcomes(done) == {"a": "unchanged", "b": "refused", "c": "changed", "d": "refused"}
    assert done["b"]["code"] == "invalid_input"
    assert done["b"]["problems"][0]["pointer"] == "/rules/0/where/value"
    assert done["d"]["code"] == "not_found"
    assert line(api, "c")["state"] == "active"
    assert outcomes(act(api, "deactivate", ["a", "b"])) == {"a": "changed", "b": "refused"}
    assert outcomes(act(api, "static", ["c"])) == {"c": "changed"}
    assert line(api, "c")["type"] == "static"
    assert outcomes(act(api, "dynamic", ["c"])) == {"c": "changed"}
    assert outcomes(act(api, "rename", ["c"], display_name="Sea")) == {"c": "changed"}
    assert line(api, "c")["display_name"] == "Sea"
    requested = act(api, "refresh", ["a", "c"])
    assert outcomes(requested) == {"a": "refused", "c": "requested"}
    assert requested["c"]["run_id"] is not None
    assert "activate" in requested["a"]["message"]
    entries = api.call("administrator", "GET", "/audit").json()["items"]
    actions = {(entry["action"], entry["object"]) for entry in entries}
    assert {("segment.activated", "c"), ("segment.deactivated", "a")} <= actions
    assert ("segment.activated", "b") not in actions


def test_a_draft_is_saved_though_it_is_no_segment_yet_with_every_problem(api: Api) -> None:
    where = {"kind": "rows", "tabel": "orders", "compare": "gte", "value": 2.5}
    body = {"name": "idea", "state": "draft", "display_name": "Idea", "rules": [{"where": where}]}
    made = api.call("contributor", "POST", "/segments", json=body)
    assert made.status_code == 201
    warned = made.json()["warnings"]
    assert {one["pointer"] for one in warned} >= {"/rules/0/where/tabel", "/rules/0/where/table"}
    assert line(api, "idea")["status"] == "none"
    assert line(api, "idea")["display_name"] == "Idea"
    assert api.call("viewer", "GET", "/segments/idea").json()["document"] == body
    found = api.call("viewer", "GET", "/segments/idea/problems").json()["problems"]
    assert {one["pointer"] for one in found} == {one["pointer"] for one in warned}
    assert outcomes(act(api, "activate", ["idea"])) == {"idea": "refused"}
    again = {"If-Match": '"1"'}
    put = api.call("contributor", "PUT", "/segments/idea", json=body, headers=again)
    assert put.json()["change"] == "unchanged"
    whole = {**document("idea"), "state": "draft"}
    put = api.call("contributor", "PUT", "/segments/idea", json=whole, headers=again)
    assert put.json() == {"name": "idea", "kind": "segment", "change": "changed", "warnings": []}
    assert outcomes(act(api, "activate", ["idea"])) == {"idea": "changed"}
    # what is refreshed is not replaced by something unfinished
    broken = api.call(
        "contributor", "PUT", "/segments/idea", json=body, headers={"If-Match": '"3"'}
    )
    assert broken.status_code == 409
    assert api.call("viewer", "GET", "/segments/idea/problems").json()["problems"] == []


def test_segments_are_chosen_by_a_filter_or_all(api: Api) -> None:
    for name in "abc":
        save(api, name, tags=["x"] if name != "c" else [])
    assert outcomes(act(api, "deactivate", filter={"tag": "x"})) == {"a": "changed", "b": "changed"}
    assert outcomes(act(api, "tag", add_tags=["y"], all=True)) == dict.fromkeys("abc", "changed")
    for body in (
        {"action": "tag"},
        {"action": "tag", "names": ["a"], "all": True},
        {"action": "tag", "filter": {"status": "fine"}},
        {"action": "tag", "names": ["a"], "add_tags": [" x"]},
        {"action": "tag", "names": ["a"], "add_tags": ["AutoDeactivated"]},
        {"action": "schedule", "names": ["a"]},
        {"action": "schedule", "names": ["a"], "schedule": {"cron": "61 * * * *"}},
        {"action": "explode", "names": ["a"]},
    ):
        answer = api.call("contributor", "POST", "/segments/actions", json=body)
        assert answer.status_code == 422, body


def test_a_schedule_is_shown_with_its_next_five_times(api: Api) -> None:
    save(api, "a", timezone="Europe/Berlin")
    assert outcomes(act(api, "schedule", ["a"], schedule={"cron": "30 2 * * *"})) == {
        "a": "changed"
    }
    shown = api.call("viewer", "GET", "/segments/a").json()
    assert shown["segment"]["schedule"] == "30 2 * * * Europe/Berlin"
    assert len(shown["next_times"]) == 5
    act(api, "schedule", ["a"], schedule="off")
    assert api.call("viewer", "GET", "/segments/a").json()["next_times"] == []


def test_what_is_used_is_not_deleted_unless_forced_and_comes_back(
    api: Api, workspace: Workspace, tmp_path: Path
) -> None:
    save(api, "a")
    save(api, "b")
    api.call("contributor", "PUT", "/segments/c", json=referring("c", "a"), headers=NEW)
    export_of(workspace, tmp_path, "b")
    usage = api.call("viewer", "GET", "/segments/a/usage").json()
    assert usage["used_by"]["segments"] == ["c"]
    assert api.call("viewer", "GET", "/segments/b/usage").json()["used_by"]["exports"] == ["crm"]
    refused = act(api, "delete", ["a", "b"])
    assert outcomes(refused) == {"a": "refused", "b": "refused"}
    assert "`c`" in refused["a"]["message"]
    assert "`crm`" in refused["b"]["message"]
    assert api.call("contributor", "DELETE", "/segments/b").status_code == 409
    # together with the one that refers to it nothing is in the way, whatever the order
    assert outcomes(act(api, "delete", ["a", "c"])) == {"a": "deleted", "c": "deleted"}
    forced = act(api, "delete", ["b"], force=True)
    assert "crm" in forced["b"]["warnings"][0]["message"]
    gone = api.call("viewer", "GET", "/deleted-segments").json()
    assert [one["name"] for one in gone] == ["a", "b", "c"]
    assert api.call("viewer", "GET", "/segments/b").status_code == 404
    back = act(api, "restore", ["c", "a", "b", "d"])
    assert outcomes(back) == dict.fromkeys("abc", "restored") | {"d": "refused"}
    assert line(api, "b")["owner"] == "user contributor"
    assert api.call("viewer", "GET", "/segments/b/usage").json()["used_by"]["exports"] == ["crm"]
    assert outcomes(act(api, "restore", ["a"])) == {"a": "refused"}


def test_a_segment_deleted_long_ago_is_not_restored(api: Api, workspace: Workspace) -> None:
    save(api, "a")
    assert api.call("contributor", "DELETE", "/segments/a").status_code == 204
    with transaction(workspace.database) as connection:
        connection.execute(text("UPDATE segment SET deleted_at = deleted_at - interval '31 days'"))
    assert outcomes(act(api, "restore", ["a"])) == {"a": "refused"}
    assert api.call("viewer", "GET", "/deleted-segments").json() == []


def test_versions_are_listed_compared_and_taken_back(api: Api) -> None:
    save(api, "a")
    save(api, "a", headers={"If-Match": '"1"'}, value="DE", tags=["x"])
    versions = api.call("viewer", "GET", "/segments/a/versions").json()
    assert [(v["rev"], v["actor"]) for v in versions] == [
        (2, "user contributor"),
        (1, "user contributor"),
    ]
    assert versions[0]["changed"] == ["/tags", "/rules/0/where/value"]
    diff = api.call("viewer", "GET", "/segments/a/diff").json()
    assert diff["differences"][1] == {
        "pointer": "/rules/0/where/value",
        "before": "GB",
        "after": "DE",
    }
    assert "-    value: GB" in diff["text"]
    assert api.call("viewer", "GET", "/segments/a/diff?before=1&after=9").status_code == 404
    rolled = api.call("contributor", "POST", "/segments/a/rollback", json={"rev": 1})
    assert rolled.json()["change"] == "changed"
    assert line(api, "a")["rev"] == 3
    assert api.call("viewer", "GET", "/segments/a/versions/3").json()["document"] == document("a")
    answer = api.call("contributor", "POST", "/segments/a/rollback", json={"rev": 9})
    assert answer.status_code == 404


def test_a_copy_takes_another_name_and_leaves_that_of_others_alone(api: Api) -> None:
    save(api, "a", tags=["x"], display_name="A")
    copy = api.call("contributor", "POST", "/segments/a/duplicate", json={"name": "b"})
    assert copy.status_code == 201
    assert line(api, "b")["tags"] == ["x"]
    assert (
        api.call("contributor", "POST", "/segments/a/duplicate", json={"name": "b"}).status_code
        == 409
    )
    made = api.call("contributor", "POST", "/segments", json=document("c"))
    assert made.status_code == 201
    assert api.call("contributor", "POST", "/segments", json=document("c")).status_code == 409


def test_tags_are_managed_for_all_segments(api: Api) -> None:
    for number, tags in enumerate((["x"], ["x", "y"], ["z"])):
        save(api, f"s{number}", tags=tags)
    assert api.call("viewer", "GET", "/tags").json() == [
        {"name": "x", "segments": 2},
        {"name": "y", "segments": 1},
        {"name": "z", "segments": 1},
    ]
    body = {"name": "x", "new_name": "y"}
    renamed = api.call("contributor", "POST", "/tags/rename", json=body).json()["results"]
    assert [one["outcome"] for one in renamed] == ["changed", "changed"]
    assert line(api, "s1")["tags"] == ["y"]
    assert api.call("contributor", "POST", "/tags/rename", json=body).status_code == 404
    api.call("contributor", "POST", "/tags/delete", json={"name": "y"})
    assert line(api, "s0")["tags"] == []
    many = [f"t{n}" for n in range(20)]
    assert outcomes(act(api, "tag", ["s2"], add_tags=many)) == {"s2": "refused"}
    assert outcomes(act(api, "tag", ["s2"], add_tags=many, remove_tags=["z"])) == {"s2": "changed"}
    assert sorted(line(api, "s2")["tags"]) == sorted(many)


def test_only_administrators_exempt_segments_from_clean_up(api: Api) -> None:
    save(api, "a")
    body = {"action": "cleanup", "names": ["a"], "auto_cleanup": False}
    assert api.call("contributor", "POST", "/segments/actions", json=body).status_code == 403
    changed = save(api, "a", headers={"If-Match": '"1"'}, auto_cleanup=False)
    assert changed.status_code == 403
    done = act(api, "cleanup", ["a"], who="administrator", auto_cleanup=False)
    assert outcomes(done) == {"a": "changed"}
    # what an administrator said stays when others change the rest
    kept = save(api, "a", headers={"If-Match": '"2"'}, value="DE", auto_cleanup=False)
    assert kept.status_code == 200


def test_the_list_is_filtered_by_what_groups_segments(api: Api) -> None:
    save(api, "a", tags=["x"], display_name="First")
    save(api, "b", type="static", state="inactive")
    save(api, "c", state="draft", who="administrator")

    def found(**query) -> list[str]:
        answer = api.call("viewer", "GET", "/segments", params=query)
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["items"]]

    assert found(tag="x") == ["a"]
    assert found(search="fir") == ["a"]
    assert found(type="static") == ["b"]
    assert found(state="draft") == ["c"]
    assert found(owner="administrator") == ["c"]
    assert found(owner="user contributor", sort="-tags") == ["a", "b"]
    assert found(status="none") == ["a", "b", "c"]
    columns = api.call("viewer", "GET", "/segments").json()["items"][0]
    for column in columns:
        assert sorted(found(sort=f"-{column}")) == ["a", "b", "c"], column
    assert api.call("viewer", "GET", "/segments", params={"state": "on"}).status_code == 422


@pytest.mark.parametrize("clients", [12, pytest.param(50, marks=pytest.mark.long)])
def test_many_clients_at_once_lose_no_update(api: Api, clients: int) -> None:
    save(api, "shared", tags=[])

    def patiently(method: str, path: str, **options):
        """Ask until the server has a connection to its database to spare, as 503 tells clients to."""
        while (answer := api.call("contributor", method, path, **options)).status_code == 503:
            assert "Retry-After" in answer.headers
        return answer

    def change(number: int) -> None:
        """Add a customer by hand, on the revision that was read, until that was still the newest."""
        status = 412
        while status == 412:
            shown = patiently("GET", "/segments/shared")
            held = shown.json()["document"]
            added = [*held.get("manual", {}).get("add", []), f"c{number}"]
            changed = {**held, "manual": {"add": added}}
            based = {"If-Match": shown.headers["ETag"]}
            status = patiently("PUT", "/segments/shared", json=changed, headers=based).status_code
        assert status == 200

    def mark(number: int) -> None:
        """Put a tag on, without naming a revision: the newest is read and written as one."""
        body = {"action": "tag", "names": ["shared"], "add_tags": [f"t{number}"]}
        (result,) = patiently("POST", "/segments/actions", json=body).json()["results"]
        assert result["outcome"] == "changed"

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda n: mark(n) if n % 3 == 0 else change(n), range(clients)))
    # clients that may not see keys kept those of all others all the same
    held = api.call("seer", "GET", "/segments/shared").json()
    assert sorted(held["document"]["manual"]["add"]) == sorted(
        f"c{n}" for n in range(clients) if n % 3 != 0
    )
    assert sorted(held["segment"]["tags"]) == sorted(f"t{n}" for n in range(clients) if n % 3 == 0)
    assert held["segment"]["rev"] == clients + 1
