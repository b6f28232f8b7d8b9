"""Every route times every role: what is not granted is denied."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from tests.integration.api.conftest import Api

from muster_console.api.app import create_api
from muster_console.api.policy import (
    RouteWithoutPolicy,
    check_policies,
    every_route,
    permission_of,
)
from muster_core.security.role import Permission

pytestmark = pytest.mark.integration

ALLOWED = {
    "viewer": {Permission.VIEW},
    "contributor": {Permission.VIEW, Permission.EDIT},
    "administrator": {Permission.VIEW, Permission.EDIT, Permission.ADMINISTER},
    "seer": {Permission.VIEW, Permission.MEMBERS},
    None: set(),
}


def test_every_route_lets_in_exactly_whom_its_permission_names(api: Api, workspace) -> None:
    cells = 0
    for route in every_route(api.app):
        permission = permission_of(route)
        path = re.sub(r"\{[a-z_]+\}", "999999", str(route.path)).removeprefix("/api/v1")
        # what a query must hold comes along, so that only the permission decides
        needed = [p.alias for p in route.dependant.query_params if p.field_info.is_required()]
        path += "?" + "&".join(f"{name}=999" for name in needed) if needed else ""
        for method in sorted(route.methods or ()):
            for who, allowed in ALLOWED.items():
                answer = api.call(who, method, path)
                cells += 1
                if permission is None:
                    assert answer.status_code not in (401, 403) or path == "/sign-in"
                elif who is None:
                    assert answer.status_code == 401, (method, path)
                elif permission in allowed:
                    assert answer.status_code not in (401, 403), (method, path, who)
                else:
                    assert answer.status_code == 403, (method, path, who)
                assert answer.status_code < 500, (method, path, who, answer.text)
    assert cells >= 100


def test_a_route_without_a_policy_stops_the_start() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/open")
    def nobody_thought_of_this() -> None: ...

    with pytest.raises(RouteWithoutPolicy, match="/open names 0 policies"):
        check_policies(app)


def test_the_description_lists_every_route(api: Api, workspace) -> None:
    described = api.call("viewer", "GET", "/openapi.json").json()["paths"]
    assert set(described) == {route.path for route in every_route(create_api(workspace))}


def test_a_token_never_does_more_than_it_or_its_owner_may(api: Api) -> None:
    made = api.call("administrator", "POST", "/tokens", json={"name": "low", "role": "viewer"})
    api.tokens["low"] = made.json()["token"]
    assert api.call("low", "GET", "/users").status_code == 403
    # a token that may little makes none that may more
    more = api.call("low", "POST", "/tokens", json={"name": "up", "role": "administrator"})
    api.tokens["up"] = more.json()["token"]
    assert api.call("up", "GET", "/me").json()["role"] == "viewer"
    # what is taken from the owner is gone from the token with the next request
    assert api.call("contributor", "GET", "/me").json()["role"] == "contributor"
    change = {"role": "viewer"}
    assert api.call("administrator", "PATCH", "/users/contributor", json=change).is_success
    assert api.call("contributor", "POST", "/system/refresh").status_code == 403
    off = {"disabled": True}
    assert api.call("administrator", "PATCH", "/users/contributor", json=off).is_success
    assert api.call("contributor", "GET", "/me").status_code == 401


def test_the_last_administrator_stays_one(api: Api) -> None:
    answer = api.call("administrator", "PATCH", "/users/administrator", json={"role": "viewer"})
    assert answer.status_code == 409
    assert api.call("administrator", "GET", "/users").is_success


def test_people_and_tokens_are_sorted_filtered_and_read_on(api: Api) -> None:
    page = api.call("administrator", "GET", "/users?sort=-name&limit=2").json()
    assert [p["name"] for p in page["items"]] == ["viewer", "seer"]
    query = {"sort": "-name", "limit": 9, "cursor": page["next"]}
    rest = api.call("administrator", "GET", "/users", params=query).json()
    assert [p["name"] for p in rest["items"]] == ["contributor", "administrator"]
    found = api.call("administrator", "GET", "/users?role=viewer&search=SE").json()["items"]
    assert [p["name"] for p in found] == ["seer"]
    tokens = api.call("administrator", "GET", "/tokens?limit=3").json()
    assert [t["person"] for t in tokens["items"]] == ["seer", "administrator", "contributor"]
    for column in (*tokens["items"][0], *(f"-{name}" for name in tokens["items"][0])):
        assert api.call("administrator", "GET", f"/tokens?sort={column}").is_success, column
    assert api.call("administrator", "GET", "/users?sort=password_hash").status_code == 422
    assert [t["person"] for t in api.call("viewer", "GET", "/tokens").json()["items"]] == ["viewer"]


def test_what_belongs_to_somebody_else_is_not_there(api: Api) -> None:
    """I16, ownership: tokens are the only things with an owner."""
    own = api.call("viewer", "GET", "/tokens").json()["items"][0]["id"]
    others = api.call("contributor", "GET", "/tokens").json()["items"][0]["id"]
    assert api.call("viewer", "DELETE", f"/tokens/{others}").status_code == 404
    given = {"name": "x", "user": "contributor"}
    assert api.call("viewer", "POST", "/tokens", json=given).status_code == 403
    made = api.call("administrator", "POST", "/tokens", json={**given, "members": True}).json()
    api.tokens["made"] = made["token"]
    # whoever may not see members hands nobody a key to them
    assert api.call("made", "GET", "/me").json() == {
        "name": "contributor",
        "role": "contributor",
        "members": False,
    }
    assert api.call("administrator", "DELETE", f"/tokens/{others}").status_code == 204
    assert api.call("contributor", "GET", "/me").status_code == 401
    assert api.call("viewer", "DELETE", f"/tokens/{own}").status_code == 204
    assert api.call("viewer", "GET", "/me").status_code == 401


def test_an_answer_that_is_a_secret_is_kept_for_no_repetition(api: Api) -> None:
    key = {"Idempotency-Key": "k"}
    answer = api.call("viewer", "POST", "/tokens", json={"name": "x"}, headers=key)
    assert answer.status_code == 422
    assert len(api.call("viewer", "GET", "/tokens").json()["items"]) == 1
