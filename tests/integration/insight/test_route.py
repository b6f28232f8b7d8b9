"""The same over the REST API: who may ask for what, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.integration.api.conftest import _served as served
from tests.integration.insight.shop import Shop, country, document, ordered

from muster_console.api.app import create_api
from muster_console.operation.access import create_person, create_token
from muster_core.security.role import Role

pytestmark = pytest.mark.integration

WANTED = document("chosen", {"kind": "all", "of": [country("GB"), ordered(2)]})
CANARY = "canary.example"


class Caller:
    """The API as people of several roles see it."""

    def __init__(self, client: httpx.Client, tokens: dict[str, str]) -> None:
        self._client, self._tokens = client, tokens

    def __call__(self, who: str, method: str, path: str, **options) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        answer: httpx.Response = self._client.request(
            method, f"/api/v1{path}", headers=headers, **options
        )
        if who != "seer":
            assert CANARY not in answer.text
            assert '"C0' not in answer.text
        return answer


@pytest.fixture
def call(shop: Shop) -> Iterator[Caller]:
    tokens = {}
    for name, role, members in (
        ("viewer", Role.VIEWER, False),
        ("contributor", Role.CONTRIBUTOR, False),
        ("seer", Role.VIEWER, True),
    ):
        create_person(shop.workspace, name, role, members=members, password=None)
        tokens[name] = create_token(shop.workspace, name, "t", role=None, members=members)[1]
    app = create_api(shop.workspace)
    with served(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Caller(client, tokens)


def test_previews_and_plans_are_for_those_who_save(shop: Shop, call: Caller) -> None:
    shop.publish(document("chosen", country("GB")))
    preview = call("contributor", "POST", "/segments/preview?exact=true", json=WANTED)
    assert preview.status_code == 200, preview.text
    found = preview.json()
    assert found["exact"]
    assert found["members"]["low"] == found["members"]["high"]
    assert found["nodes"][0]["running"] == found["members"]
    plan = call("contributor", "POST", "/segments/plan", json=WANTED).json()
    assert plan["joined_keys"] is None
    assert call("viewer", "POST", "/segments/preview", json=WANTED).status_code == 403
    assert call("contributor", "POST", "/segments/plan/members", json=WANTED).status_code == 403
    named = call("seer", "POST", "/segments/plan/members?limit=5", json=WANTED).json()
    assert len(named["left_keys"]) == 5
    assert call("viewer", "GET", "/segments/chosen/plan").json()["left"] == 0
    wrong = {**WANTED, "rules": [{"where": {**country("GB"), "column": "contry"}}]}
    answer = call("contributor", "POST", "/segments/preview", json=wrong)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["pointer"] == "/rules/0/where/column"
    odd = "/segments/preview?as_of=2026-01-01T00:00:00"
    assert call("contributor", "POST", odd, json=WANTED).status_code == 422


def test_counts_stay_with_their_date_after_an_edit(shop: Shop, call: Caller) -> None:
    shop.publish(WANTED)
    counted = call("viewer", "GET", "/segments/chosen/counts").json()
    named = shop.reference().nodes(WANTED)
    assert {n["pointer"]: n["members"] for n in counted["nodes"]} == {
        pointer: len(keys) for pointer, keys in named.items() if not pointer.endswith("/where")
    }
    shop.save(document("chosen", country("FR")))
    assert call("viewer", "GET", "/segments/chosen/counts").json() == counted
    assert counted["counted_at"]


def test_history_overlap_and_contrast_are_told_to_everybody(shop: Shop, call: Caller) -> None:
    shop.publish(document("one", country("GB")))
    shop.publish(document("one", country("DE")))
    shop.publish(document("two", ordered(2)))
    history = call("viewer", "GET", "/segments/one/history?period=7d").json()
    assert [p["version"] for p in history["points"]] == [1, 2]
    assert call("viewer", "GET", "/segments/one/history?period=8d").status_code == 422
    overlap = call("viewer", "POST", "/segments/overlap", json={"names": ["one", "two"]}).json()
    assert overlap["pairs"][0]["both"] == len(shop.members["one", 2] & shop.members["two", 1])
    apart = call("viewer", "GET", "/segments/one/apart").json()
    assert apart["columns"][0]["column"] == "country"
    assert call("viewer", "GET", "/segments/nobody/apart").status_code == 404


def test_member_data_needs_the_grant(shop: Shop, call: Caller) -> None:
    shop.publish(document("one", country("GB")))
    shop.publish(document("one", country("DE")))
    paths = ("/segments/one/members", "/segments/one/changes")
    for path in paths:
        assert call("contributor", "GET", path).status_code == 403
        assert call("seer", "GET", path).status_code == 200
    key = {"key": min(shop.members["one", 2])}
    assert call("contributor", "POST", "/segments/one/explain", json=key).status_code == 403
    found = call("seer", "POST", "/segments/one/explain", json=key).json()
    assert found["member"]
    assert found["nodes"][0]["reasons"][0]["value"] == "DE"
    nobody = call("seer", "POST", "/segments/one/explain", json={"key": "Cx"})
    assert nobody.status_code == 404
    personal = "/catalog/values/customers/email"
    assert call("contributor", "GET", personal).status_code == 403
    assert CANARY in call("seer", "GET", personal).text


def test_pages_of_members_stay_with_their_version(shop: Shop, call: Caller) -> None:
    shop.publish(document("one", country("GB")))
    first = call("seer", "GET", "/segments/one/members?limit=100").json()
    seen = [m["id"] for m in first["members"]]
    shop.publish(document("one", country("DE")))
    cursor = first["next"]
    while cursor:
        query = {"limit": 100, "cursor": cursor}
        page = call("seer", "GET", "/segments/one/members", params=query).json()
        assert page["version"] == 1
        seen += [m["id"] for m in page["members"]]
        cursor = page["next"]
    assert sorted(seen) == sorted(shop.members["one", 1])
    for cursor in ("x", "WzEsMiwzXQ==", first["next"]):
        query = {"cursor": cursor, "version": 2}
        assert call("seer", "GET", "/segments/one/members", params=query).status_code == 422


def test_a_quick_segment_is_chosen_sized_and_saved(shop: Shop, call: Caller) -> None:
    choices = call("viewer", "GET", "/catalog/choices/customers/country").json()
    picked = choices["column"]["top"][0]["value"]
    request = {"table": "customers", "column": "country", "values": [picked], "name": "mine"}
    found = call("contributor", "POST", "/segments/quick", json=request).json()
    size = sum(c["country"] == picked for c in shop.world.customers.values())
    assert found["preview"]["members"]["count"] == size
    page = call("viewer", "GET", "/catalog/values/customers/age?sort=value&limit=40").json()
    ages = [v["value"] for v in page["page"]["values"]]
    query = {"sort": "value", "limit": 40, "cursor": page["next"]}
    page = call("viewer", "GET", "/catalog/values/customers/age", params=query).json()
    ages += [v["value"] for v in page["page"]["values"]]
    assert ages == sorted(set(ages))
    assert len(ages) == page["page"]["distinct"]
