"""H57 to H82 of the hostile inputs, a row each over the running API: the stated result or a clear 4xx, and no effect."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
import sqlalchemy as sa
from pydantic import SecretStr
from tests.clock import Clock
from tests.integration.api.conftest import CATALOG, Api, opened_api
from tests.integration.api.hostile import ENDLESS, TABLE, Row, segment
from tests.integration.api.test_segment import save

from muster_console.operation.access import change_person, create_person, create_token, revoke_token
from muster_console.operation.catalog import apply_catalog_text
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.queue.app import KEY_PREFIX
from muster_core.security.role import Role
from muster_core.settings import Settings

pytestmark = pytest.mark.integration

#: What goes on beside a refused request, or is kept of it so that it is refused.
ASIDE = frozenset({"audit_entry", "idempotent_answer", "login_attempt", "alembic_version"})


@dataclass(kw_only=True)
class Place:
    """The API that all rows are tried on."""

    api: Api
    workspace: Workspace

    def send(self, row: Row) -> httpx.Response:
        """Send the request of a row."""
        known = self.api.tokens
        tokens = {**known, "short": known["viewer"][:-1], "Viewer": known["viewer"].swapcase()}
        headers = [(name, value.format(**tokens)) for name, value in row.headers]
        if row.who is not None:
            headers.append(("Authorization", f"Bearer {known[row.who]}"))
        given: dict[str, Any] = {"headers": headers}
        if row.body is not None:
            # as ASCII: half a character has no other form
            given["content"] = json.dumps(row.body)
            headers.append(("Content-Type", "application/json"))
        if row.content is not None:
            given["content"] = _endless() if row.content is ENDLESS else row.content
        path = row.path.format(**tokens)
        return self.api.client.request(row.method, f"/api/v1{path}", **given)

    def everything(self) -> dict[str, Any]:
        """Return what is stored, but for what goes on beside."""
        with self.workspace.database.connect() as connection:
            tables = sorted(set(sa.inspect(connection).get_table_names()) - ASIDE)
            return {
                name: connection.execute(
                    sa.text(
                        "SELECT count(*), md5(string_agg(md5((to_jsonb(t) - 'last_used_at')::text), ''"  # noqa: S608
                        f" ORDER BY md5((to_jsonb(t) - 'last_used_at')::text))) FROM \"{name}\" t"
                    )
                ).one()
                for name in tables
            }


def _endless() -> Iterator[bytes]:
    for _ in range(100):
        yield b"0" * 100_000


@pytest.fixture(scope="module")
def place(
    _template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("refused")
    name = f"refused_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(_template, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE muster_template".encode())
    settings = Settings(
        home=folder / "home",
        database_url=SecretStr(f"{_template.rsplit('/', 1)[0]}/{name}"),
        redis_url=SecretStr(redis_url),
        lake_url=str(folder / "lake"),
    )
    (folder / "lake").mkdir()
    pq.write_table(pa.table({"id": ["a"], "country": ["GB"]}), folder / "customers.parquet")
    catalog = CATALOG.replace("customers.parquet", str(folder / "customers.parquet"))
    with open_workspace(settings) as workspace:
        apply_catalog_text(workspace, catalog)
        with opened_api(workspace) as api:
            made = api.call("administrator", "POST", "/segments", json=segment("known"))
            assert made.status_code == 201, made.text
            _add_dead_tokens(api, workspace)
            yield Place(api=api, workspace=workspace)
    with psycopg.connect(_template, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _add_dead_tokens(api: Api, workspace: Workspace) -> None:
    """Add the tokens of somebody who left, one that was revoked, and one that ran out."""
    create_person(workspace, "left", Role.ADMINISTRATOR, members=True, password=None)
    for name, person in (("disabled", "left"), ("revoked", "viewer"), ("expired", "viewer")):
        number, api.tokens[name] = create_token(workspace, person, name, role=None, members=False)
        if name == "revoked":
            revoke_token(workspace, number)
        if name == "expired":
            with workspace.database.begin() as connection:
                statement = "UPDATE api_token SET expires_at = clock_timestamp() WHERE id = :id"
                connection.execute(sa.text(statement), {"id": number})
    change_person(workspace, "left", disabled=True)


@pytest.mark.parametrize("number", sorted({row.number for row in TABLE}))
def test_what_nobody_honest_sends_is_refused_and_changes_nothing(place: Place, number: str) -> None:
    before = place.everything()
    for row in TABLE:
        if row.number != number:
            continue
        answer = place.send(row)
        told = f"{row}: {row.body or row.headers} {answer.status_code} {answer.text[:500]}"
        if row.path.endswith("/actions") and answer.status_code == 200:
            outcomes = {one["outcome"] for one in answer.json()["results"]}
            assert outcomes == {"refused"}, told
        else:
            assert answer.status_code in row.status, told
            # what asks for a socket is turned away by the server, before the application
            kind = answer.headers.get("content-type")
            assert kind == "application/problem+json" or row.number == "H76", told
        assert "Traceback" not in answer.text, told
        assert not [token for token in place.api.tokens.values() if token in answer.text], told
        assert "evil.example" not in answer.text + str(answer.headers), told
        assert not [name for name in answer.headers if name.startswith("access-control-")], told
    assert place.everything() == before


def test_what_things_are_shown_as_comes_back_as_data_and_never_as_a_page(api: Api) -> None:
    """H57 to H59: a display name may be any text to read."""
    for number, shown in enumerate(
        (
            *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
            *("\u202eabc", "a\u200db", "a" + "\u0301" * 150, "\U0001f600", "Caf\u00e9"),
        )
    ):
        name = f"s{number}"
        given = segment(name, display_name=shown)
        assert api.call("contributor", "POST", "/segments", json=given).status_code == 201, shown
        answer = api.call("viewer", "GET", f"/segments/{name}")
        assert answer.json()["document"]["display_name"] == shown
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


#: In UTC: now, and the next two times of a cron whose first one lies in a gap of the clocks or comes twice.
CHANGES = (
    ("Europe/Berlin", "30 2 * * *", "2027-03-27T12:00", "2027-03-28T01:00", "2027-03-29T00:30"),
    ("Antarctica/Troll", "30 1 * * *", "2027-03-27T12:00", "2027-03-28T01:00", "2027-03-28T23:30"),
    ("Pacific/Chatham", "50 2 * * *", "2027-09-25T12:00", "2027-09-25T14:00", "2027-09-26T13:05"),
    (
        "Australia/Lord_Howe",
        *("15 2 * * *", "2027-10-02T12:00", "2027-10-02T15:30", "2027-10-03T15:15"),
    ),
    ("America/New_York", "30 1 * * *", "2027-11-07T00:00", "2027-11-07T05:30", "2027-11-08T06:30"),
)


def test_a_time_in_a_gap_runs_once_after_it_and_a_repeated_one_once(
    api: Api, workspace: Workspace
) -> None:
    """H79, and the leap day of H77."""
    clock = Clock(workspace.database)
    for zone, cron, now, *expected in CHANGES:
        clock.move(datetime.fromisoformat(f"{now}+00:00") - clock.now())
        made = create_token(workspace, "administrator", zone, role=None, members=False)
        api.tokens["administrator"] = made[1]
        given = {"cron": cron, "timezone": zone}
        answer = api.call("administrator", "PUT", "/system/schedule", json=given)
        assert answer.status_code == 200, answer.text
        coming = [datetime.fromisoformat(at) for at in answer.json()["next_times"][:2]]
        assert coming == [datetime.fromisoformat(f"{at}+00:00") for at in expected], zone
    leap = {"cron": "0 0 29 2 *", "timezone": "UTC"}
    told = api.call("administrator", "PUT", "/system/schedule", json=leap).json()
    assert told["next_times"][0].startswith("2028-02-29")


def test_one_key_stands_for_one_request_among_many_at_once(api: Api) -> None:
    """H71 and H72."""
    save(api)
    key = {"Idempotency-Key": "once"}

    def ask(names: list[str]) -> int:
        body = {"names": names}
        return int(
            api.call("contributor", "POST", "/segments/refresh", json=body, headers=key).status_code
        )

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(ask, [["british"]] * 20))
    assert 202 in answers
    assert answers <= {202, 409}
    assert ask(["british", "other"]) == 422
    # the key is its caller's alone
    body = {"names": ["british"]}
    other = api.call("administrator", "POST", "/segments/refresh", json=body, headers=key)
    assert other.status_code == 202
    assert len(api.call("viewer", "GET", "/runs").json()["items"]) == 2


def test_whatever_redis_holds_requests_are_taken_and_nothing_is_believed(
    api: Api, redis_url: str
) -> None:
    """H81 and H82: what is due stands in the database; a hint more or less changes nothing."""
    save(api)
    with redis.Redis.from_url(redis_url) as server:
        server.flushall()
        server.lpush(
            f"{KEY_PREFIX}kick", b"not a message", b"{}", b"\x80\x04pickle", b"0" * 1_000_000
        )
        for name in ("tick", "unacked", "unacked_index", "_kombu.binding.kick"):
            server.set(f"{KEY_PREFIX}{name}", "nonsense")
        asked = api.call("contributor", "POST", "/segments/refresh", json={"names": ["british"]})
        assert asked.status_code == 202
        (run,) = api.call("viewer", "GET", "/runs").json()["items"]
        assert (run["run_id"], run["state"]) == (asked.json()[0]["run_id"], "pending")
        server.flushall()
