"""Exports, their deliveries and their connections over the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.api.conftest import Api
from tests.integration.api.world import EXPORT, published_api

pytestmark = pytest.mark.integration

NEW = {"If-None-Match": "*"}
SECRET = "canary-of-a-password"  # noqa: S105


@pytest.fixture
def api(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path):
    with published_api(database, database_url, redis_url, tmp_path) as (opened, _, _):
        yield opened


def save(api: Api, headers=NEW, who: str = "contributor", **fields):
    return api.call(who, "PUT", "/exports/crm", json={**EXPORT, **fields}, headers=headers)


def test_an_export_is_saved_on_a_revision_checked_listed_and_removed(api: Api) -> None:
    asked = {"documents": [EXPORT, {**EXPORT, "name": "other", "columns": ["mail"]}]}
    fine, wrong = api.call("contributor", "POST", "/exports/check", json=asked).json()
    assert (fine["problems"], fine["segments"][0]["segment"]) == ([], "vip")
    assert wrong["problems"][0]["pointer"] == "/columns/0"
    assert save(api).json() == {"name": "crm", "change": "created"}
    assert save(api).status_code == 412
    assert save(api, headers={}).status_code == 428
    shown = api.call("viewer", "GET", "/exports/crm")
    based = {"If-Match": shown.headers["ETag"]}
    assert save(api, based, format="parquet").json()["change"] == "changed"
    assert save(api, based, format="jsonl").status_code == 412
    more = {"documents": [{**EXPORT, "name": f"x{n}"} for n in range(3)]}
    assert api.call("contributor", "POST", "/exports", json=more).is_success
    page = api.call("viewer", "GET", "/exports?sort=-name&limit=2").json()
    assert [e["document"]["name"] for e in page["items"]] == ["x2", "x1"]
    rest = api.call("viewer", "GET", f"/exports?sort=-name&cursor={page['next']}").json()
    assert [e["document"]["name"] for e in rest["items"]] == ["x0", "crm"]
    bad = {"documents": [EXPORT, {**EXPORT, "name": "y", "segments": ["nobody"]}]}
    assert api.call("contributor", "POST", "/exports", json=bad).status_code == 404
    assert api.call("contributor", "DELETE", "/exports/crm").json()["deliveries"] == 0
    assert api.call("viewer", "GET", "/exports/crm").status_code == 404


def test_segments_that_many_add_at_once_are_all_in_it(api: Api) -> None:
    save(api)
    for number in range(50):
        where = {"kind": "attribute", "column": "age", "compare": "gt", "value": number}
        document = {"name": f"s{number}", "rules": [{"where": where}]}
        path = f"/segments/s{number}"
        assert api.call("contributor", "PUT", path, json=document, headers=NEW).is_success

    def add(number: int) -> int:
        answer = api.call("contributor", "PUT", f"/exports/crm/segments/s{number}")
        return int(answer.status_code)

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(add, range(50))) == {200}
    document = api.call("viewer", "GET", "/exports/crm").json()["export"]["document"]
    assert set(document["segments"]) == {"vip", *(f"s{n}" for n in range(50))}
    found = api.call("viewer", "GET", "/segments/s7/exports").json()
    assert found == [{"export": "crm", "contains": True}]
    # what is in it already keeps its place
    again = api.call("contributor", "PUT", "/exports/crm/segments/vip")
    assert again.json()["change"] == "unchanged"
    unknown = api.call("contributor", "DELETE", "/exports/crm/segments/nobody")
    assert unknown.status_code == 404


def test_a_delivery_is_asked_for_held_released_and_cancelled(api: Api) -> None:
    save(api)
    (asked,) = api.call("contributor", "POST", "/exports/crm/deliver").json()
    assert (asked["segment"], asked["state"]) == ("vip", "pending")
    (found,) = api.call("viewer", "GET", "/deliveries?state=pending").json()["items"]
    path = f"/deliveries/{found['id']}"
    for verb, state in (("hold", "held"), ("release", "pending"), ("cancel", "cancelled")):
        answer = api.call("contributor", "POST", f"{path}/{verb}")
        assert (answer.status_code, answer.json()["state"]) == (202, state)
    assert api.call("contributor", "POST", f"{path}/release").status_code == 409
    assert api.call("contributor", "POST", f"{path}/forget").status_code == 422
    assert api.call("viewer", "GET", "/deliveries?state=pending").json()["items"] == []
    assert api.call("administrator", "GET", "/exports/crm/refused").status_code == 403
    assert api.call("seer", "GET", "/exports/crm/refused").json() == []


def test_credentials_are_written_and_never_read(api: Api) -> None:
    document = {"kind": "sftp", "host": "files.example.org", "user": "u", "path": "/in"}
    document["host_key"] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
    given = {"document": document, "credentials": {"password": SECRET}}

    def put(headers, body=given, who="administrator"):
        return api.call(who, "PUT", "/connections/far", json=body, headers=headers)

    assert put(NEW, who="contributor").status_code == 403
    assert put(NEW, {"document": document}).status_code == 409
    assert put(NEW).json() == {"name": "far", "change": "created"}
    shown = api.call("viewer", "GET", "/connections/far")
    assert (shown.json()["has_secret"], shown.json()["secret_rev"]) == (True, 1)
    based = {"If-Match": shown.headers["ETag"]}
    rotated = api.call(
        "administrator",
        "PUT",
        "/connections/far/credentials",
        json={"credentials": {"password": f"{SECRET}2"}},
    )
    assert rotated.status_code == 204
    assert put(based).status_code == 412
    wrong = {"document": document, "credentials": {"pasword": SECRET}}
    answers = [put(NEW, wrong), put({"If-Match": '"1"'}, wrong)]
    for path in ("/connections", "/connections/far", "/audit"):
        answers.append(api.call("administrator", "GET", path))
    assert all(SECRET not in answer.text for answer in answers)


def test_a_connection_is_paused_resumed_tested_detached_and_removed(api: Api) -> None:
    save(api)
    api.call("contributor", "POST", "/exports/crm/deliver")

    def post(verb: str):
        return api.call("administrator", "POST", f"/connections/there/{verb}").json()

    assert post("pause") == {"name": "there", "deliveries": 1}
    assert api.call("viewer", "GET", "/connections?sort=-paused").json()["items"][0]["paused"]
    assert post("resume") == {"name": "there", "deliveries": 1}
    assert post("test")["tested_at"] is None
    assert api.call("administrator", "DELETE", "/connections/there").status_code == 409
    assert post("detach") == {"name": "there", "exports": ["crm"]}
    assert api.call("administrator", "DELETE", "/connections/there").status_code == 204
    assert api.call("administrator", "POST", "/connections/rekey").json() == {"sealed": 0}
