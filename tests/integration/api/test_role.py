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
        if path == "/runs/events":
            path += "?run=999"
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
