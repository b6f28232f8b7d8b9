"""Segments over the API: saved on a revision, listed in pages, done once per key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration

NEW = {"If-None-Match": "*"}


def document(name: str = "british", value: str = "GB", **fields):
    where = {"kind": "attribute", "column": "country", "compare": "eq", "value": value}
    return {"name": name, "rules": [{"where": where}], **fields}


def save(api: Api, name: str = "british", *, headers=NEW, who: str = "contributor", **fields):
    path = f"/segments/{name}"
    return api.call(who, "PUT", path, json=document(name, **fields), headers=headers)


def test_a_change_names_the_revision_it_is_based_on(api: Api) -> None:
    assert save(api).json() == {
        "name": "british",
        "kind": "segment",
        "change": "created",
        "warnings": [],
    }
    shown = api.call("viewer", "GET", "/segments/british")
    assert shown.headers["ETag"] == '"1"'
    assert shown.json()["document"] == document()
    assert save(api).status_code == 412
    assert save(api, headers={}, value="DE").status_code == 428
    changed = save(api, headers={"If-Match": '"1"'}, value="DE")
    assert changed.json()["change"] == "changed"
    assert save(api, headers={"If-Match": '"1"'}, value="FR").status_code == 412
    assert api.call("viewer", "GET", "/segments/british").headers["ETag"] == '"2"'


def test_counts_of_a_segment_that_was_never_refreshed_are_a_conflict(api: Api) -> None:
    save(api)
    assert api.call("viewer", "GET", "/segments/british/counts").status_code == 409
    assert api.call("viewer", "GET", "/segments/nobody/counts").status_code == 404


def test_of_many_who_change_the_same_revision_one_wins(api: Api) -> None:
    save(api)

    def change(number: int):
        return save(api, headers={"If-Match": '"1"'}, value=f"v{number}").status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(change, range(8)))
    assert answers == [200] + [412] * 7


def test_every_problem_has_a_place(api: Api) -> None:
    where = {"kind": "attribute", "column": "contry", "compare": "eq", "value": 1}
    answer = api.call(
        "contributor",
        "PUT",
        "/segments/british",
        json={"name": "british", "rules": [{"where": where}]},
        headers=NEW,
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()["problems"][0]
    assert problem["pointer"] == "/rules/0/where/column"
    assert "country" in problem["hint"]
    assert api.call("viewer", "GET", "/segments/british").status_code == 404


def test_a_body_is_one_segment_of_the_name_in_the_path(api: Api) -> None:
    bodies: list[object] = [document("other"), [document(), document("b")], 5, "t", {"rules": []}]
    for body in bodies:
        answer = api.call("contributor", "PUT", "/segments/british", json=body, headers=NEW)
        assert answer.status_code == 422, body
    twice = b'{"name": "british", "name": "british", "rules": []}'
    json = {**NEW, "Content-Type": "application/json"}
    answer = api.call("contributor", "PUT", "/segments/british", content=twice, headers=json)
    assert answer.status_code == 422


def test_pages_hold_every_segment_once_in_the_order_asked_for(api: Api) -> None:
    for number in range(7):
        save(api, f"s{number}", tags=["x"])
    for sort in ("name", "-name", "members", "-status"):
        seen, cursor = [], None
        while True:
            query = {"sort": sort, "limit": 3} | ({"cursor": cursor} if cursor else {})
            page = api.call("viewer", "GET", "/segments", params=query).json()
            assert page["total"] == 7
            seen += [line["name"] for line in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert sorted(seen) == [f"s{n}" for n in range(7)]
        assert seen == sorted(seen, reverse=sort == "-name")
    found = api.call("viewer", "GET", "/segments", params={"search": "S3"}).json()["items"]
    assert [line["name"] for line in found] == ["s3"]


def test_a_query_that_is_none_is_refused(api: Api) -> None:
    save(api)
    for query in (
        {"sort": "rule_hash; DROP TABLE segment"},
        {"cursor": "x"},
        {"cursor": "WzEsMiwzXQ=="},
        {"cursor": "WyJuYW1lIiwge30sICJhIl0="},
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "1e9"},
        {"limit": "NaN"},
    ):
        answer = api.call("viewer", "GET", "/segments", params=query)
        assert answer.status_code == 422, query
        assert answer.json()["problems"]


def test_a_request_with_a_key_is_done_once(api: Api) -> None:
    save(api)

    def refresh(_: int):
        return api.call(
            "contributor",
            "POST",
            "/segments/refresh",
            json={"names": ["british"]},
            headers={"Idempotency-Key": "k1"},
        )

    first = refresh(0)
    assert first.status_code == 202
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(refresh, range(8)))
    assert all(a.json() == first.json() for a in again)
    assert len(api.call("viewer", "GET", "/runs").json()["items"]) == 1
    other = api.call(
        "contributor",
        "POST",
        "/segments/refresh",
        json={"names": ["nobody"]},
        headers={"Idempotency-Key": "k1"},
    )
    assert other.status_code == 422
    # a key whose request came to nothing is free again
    lost = {"Idempotency-Key": "k2"}
    for _ in range(2):
        answer = api.call(
            "contributor", "POST", "/segments/refresh", json={"names": ["nobody"]}, headers=lost
        )
        assert answer.status_code == 404


def test_runs_are_followed_until_they_end(api: Api, workspace) -> None:
    save(api)
    asked = api.call("contributor", "POST", "/segments/refresh", json={"names": ["british"]}).json()
    run_id = asked[0]["run_id"]
    assert api.call("viewer", "GET", f"/runs/{run_id}").json()["run"]["state"] == "pending"
    api.call("contributor", "DELETE", "/segments/british")
    with workspace.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE refresh_run SET state = 'cancelled', finished_at = clock_timestamp()"
        )
    with api.client.stream(
        "GET",
        f"/api/v1/runs/events?run={run_id}",
        headers={"Authorization": f"Bearer {api.tokens['viewer']}"},
    ) as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("event:")]
    assert lines == ["event: progress", "event: end"]


def test_members_need_a_version_and_looks_are_recorded(api: Api) -> None:
    save(api)
    assert api.call("seer", "GET", "/segments/british/members").status_code == 409
    assert api.call("administrator", "GET", "/segments/british/members").status_code == 403
