"""Requests with an `Idempotency-Key`: whatever starts work is done once, and nobody is answered who may not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from tests.clock import Clock
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save as save_export
from tests.integration.api.world import published_api

from muster_console.api.idempotency import RouteDoneTwice, check_repetitions
from muster_console.operation.access import create_token, revoke_token
from muster_console.operation.workspace import Workspace
from muster_core.storage.idempotency import TAKEN_FOR

pytestmark = pytest.mark.integration

MEASURE = {
    "name": "orders_made",
    "by": {"table": "orders", "aggregate": {"function": "count", "column": None}},
}
#: Everything that starts work or makes something, in an order in which each can be done.
WORK: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("/segments/refresh", {"names": ["vip"]}),
    ("/segments/vip/cancel", None),
    ("/segments/actions", {"action": "refresh", "names": ["vip"]}),
    ("/segments/loyal/duplicate", {"name": "loyal_copy"}),
    ("/system/refresh", None),
    ("/system/refreshes/1/cancel", None),
    ("/system/collect", {"dry_run": False}),
    ("/cleanup", {"dry_run": False}),
    ("/exports/crm/deliver", None),
    ("/deliveries/1/cancel", None),
    ("/deliveries/1/redeliver", None),
    ("/exports/deliver", None),
    ("/connections/there/test", None),
    ("/connections/there/pause", None),
    ("/connections/there/resume", None),
    ("/segments/actions", {"action": "tag", "names": ["vip"], "add_tags": ["a"]}),
    ("/tags/rename", {"name": "a", "new_name": "b"}),
    ("/users", {"name": "somebody"}),
    ("/erasures", {"key": "nobody"}),
)


@pytest.fixture
def served(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path):
    with published_api(database, database_url, redis_url, tmp_path) as (api, workspace, _):
        yield api, workspace


def everything(workspace: Workspace) -> dict[str, Any]:
    """Return what is stored, but for when a token was last used."""
    with workspace.database.connect() as connection:
        row = "(to_jsonb(t) - 'last_used_at')::text"
        return {
            name: connection.execute(
                sa.text(f'SELECT array_agg({row} ORDER BY {row}) FROM "{name}" t')  # noqa: S608
            ).scalar_one()
            for name in sa.inspect(connection).get_table_names()
        }


def post(api: Api, path: str, body: Any = None, *, key: str, who: str = "administrator"):
    return api.call(who, "POST", path, json=body, headers={"Idempotency-Key": key})


def test_whatever_starts_work_is_done_once_and_answered_alike(served) -> None:
    api, workspace = served
    save_export(api)
    for number, (path, body) in enumerate(WORK):
        first = post(api, path, body, key=f"k{number}")
        assert first.is_success, (path, first.text)
        before = everything(workspace)
        again = post(api, path, body, key=f"k{number}")
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers["Content-Type"] == first.headers["Content-Type"]
        assert everything(workspace) == before, path


def test_a_measure_is_refreshed_once(served) -> None:
    api, workspace = served
    new = {"If-None-Match": "*"}
    made = api.call("contributor", "PUT", "/measures/orders_made", json=MEASURE, headers=new)
    assert made.is_success, made.text
    where = {"kind": "measure", "name": "orders_made", "compare": "gte", "value": 1}
    segment = {"name": "buyers", "rules": [{"where": where}]}
    assert api.call("contributor", "PUT", "/segments/buyers", json=segment, headers=new).is_success
    first = post(api, "/measures/orders_made/refresh", key="k", who="contributor")
    assert (first.status_code, len(first.json())) == (202, 1)
    before = everything(workspace)
    again = post(api, "/measures/orders_made/refresh", key="k", who="contributor")
    assert (again.status_code, again.content) == (202, first.content)
    assert everything(workspace) == before


def test_a_post_that_keeps_no_answers_stops_the_start() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()

    @router.post("/again")
    def nobody_thought_of_this() -> None: ...

    app.include_router(router)
    with pytest.raises(RouteDoneTwice, match="POST /again takes no Idempotency-Key"):
        check_repetitions(app)


def test_who_lost_a_right_gets_nothing_that_was_kept(served) -> None:
    api, workspace = served
    body = {"names": ["vip"]}
    number, api.tokens["lost"] = create_token(
        workspace, "contributor", "x", role=None, members=False
    )
    assert post(api, "/segments/refresh", body, key="k", who="lost").status_code == 202
    assert post(api, "/segments/refresh", body, key="k", who="lost").status_code == 202
    change = {"role": "viewer"}
    assert api.call("administrator", "PATCH", "/users/contributor", json=change).is_success
    assert post(api, "/segments/refresh", body, key="k", who="lost").status_code == 403
    revoke_token(workspace, number)
    assert post(api, "/segments/refresh", body, key="k", who="lost").status_code == 401
    api.tokens["none"] = "muster_x"
    before = everything(workspace)
    assert post(api, "/segments/refresh", body, key="other", who="none").status_code == 401
    assert everything(workspace) == before


def test_a_request_that_was_cut_off_is_taken_up_again_after_a_while(served) -> None:
    api, workspace = served
    body = {"names": ["vip"]}
    assert post(api, "/segments/refresh", body, key="k", who="contributor").status_code == 202
    with workspace.database.begin() as connection:
        # as the process leaves it that is killed before it answers
        connection.exec_driver_sql("UPDATE idempotent_answer SET status = NULL, body = NULL")
    busy = post(api, "/segments/refresh", body, key="k", who="contributor")
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:muster:conflict")
    Clock(workspace.database).move(TAKEN_FOR)
    again = post(api, "/segments/refresh", body, key="k", who="contributor")
    assert (again.status_code, again.json()[0]["name"]) == (202, "vip")
    # and is kept like any other
    kept = post(api, "/segments/refresh", body, key="k", who="contributor")
    assert kept.content == again.content


def test_what_only_looks_looks_again_and_is_kept_nowhere(served) -> None:
    api, workspace = served
    looks: tuple[tuple[str, Any], ...] = (
        ("/segments/overlap", {"names": ["vip", "loyal"]}),
        ("/segments/vip/explain", {"key": "nobody"}),
        ("/rules/check", {"files": [{"name": "a.yaml", "text": "name: a"}]}),
        ("/exports/check", {"documents": [{"name": "x"}]}),
    )
    for path, body in looks:
        for who in ("seer", "contributor"):
            post(api, path, body, key="k", who=who)
    with workspace.database.connect() as connection:
        counted = connection.exec_driver_sql("SELECT count(*) FROM idempotent_answer")
        assert counted.scalar_one() == 0
    paths = api.call("viewer", "GET", "/openapi.json").json()["paths"]
    for path, operations in paths.items():
        if "post" not in operations:
            continue
        told = operations["post"]
        takes = any(p["name"] == "Idempotency-Key" for p in told.get("parameters", ()))
        assert takes != bool(told.get("x-only-looks") or told.get("x-shown-once")), path
