"""What people did is recorded once each, and a change to the record itself is found."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.integration.api.conftest import Api
from tests.integration.api.test_segment import save

from muster_console.api.policy import every_route
from muster_core.storage import audit
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration


def _entries(api: Api, **query):
    return api.call("administrator", "GET", "/audit", params=query).json()["items"]


def test_each_act_is_recorded_once_with_who_and_what(api: Api) -> None:
    save(api)
    api.call("contributor", "POST", "/segments/refresh", json={"names": ["british"]})
    api.call("contributor", "DELETE", "/segments/british")
    found = _entries(api, object="british")
    assert [(e["actor"], e["action"]) for e in found] == [
        ("user contributor", "segment.deleted"),
        ("user contributor", "segment.refresh_requested"),
        ("user contributor", "segment.created"),
    ]
    # what is refused, and what changes nothing, leaves no trace of an act
    assert save(api, headers={"If-Match": '"9"'}).status_code == 412
    assert len(_entries(api, object="british")) == 3


#: What changes nothing though it is asked with POST: looks, and what only others can answer.
LOOKS = {"/exports/check", "/catalog/check", "/sign-in", "/system/collect"}


def test_no_change_leaves_the_record_as_it_was(api: Api) -> None:
    """Whatever is done over any route is an entry; a route that is added is asked here, too."""

    def entries() -> int:
        return int(api.call("administrator", "GET", "/audit/verify").json()["entries"])

    save(api)
    asked = api.call("contributor", "POST", "/segments/refresh", json={"names": ["british"]}).json()
    refresh = api.call("contributor", "POST", "/system/refresh").json()["id"]
    token = api.call("administrator", "POST", "/tokens", json={"name": "x"}).json()["id"]
    places = {
        "run_id": asked[0]["run_id"],
        "refresh_id": refresh,
        "token_id": token,
        "name": "british",
    }
    bodies: dict[str, object] = {
        "/system/schedule": {"cron": "0 6 * * *"},
        "/users": {"name": "eve"},
        "/users/{name}": {"members": True},
        "/tokens": {"name": "y"},
        "/segments/refresh": {"names": ["british"]},
    }
    done = 0
    for route in every_route(api.app):
        template = str(route.path).removeprefix("/api/v1")
        for method in set(route.methods or ()) - {"GET"}:
            if template in LOOKS or (method, template) == ("DELETE", "/segments/{name}"):
                continue
            names = re.findall(r"\{([a-z_]+)\}", template)
            own = {"name": "viewer"} if template.startswith("/users") else {}
            path = template.format(**dict.fromkeys(names, "1") | places | own)
            before = entries()
            answer = api.call("administrator", method, path, json=bodies.get(template, {}))
            # there is no export, so asking for all of them asks for nothing
            if answer.is_success and template != "/exports/deliver":
                done += 1
                assert entries() > before, (method, path)
            else:
                assert entries() == before, (method, path)
    assert done >= 8


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'nobody' WHERE seq = 4",
        "DELETE FROM audit_entry WHERE seq = 4",
        "UPDATE audit_entry SET seq = 1000 WHERE seq = 4",
        "UPDATE audit_entry SET detail = '{\"a\": 1}' WHERE seq = 4",
    ],
)
def test_a_changed_record_is_found(api: Api, workspace, statement: str) -> None:
    save(api)
    answer = api.call("administrator", "GET", "/audit/verify").json()
    assert answer["broken_at"] is None
    assert answer["entries"] >= 5
    with pytest.raises(DBAPIError, match="never changed"), workspace.database.begin() as connection:
        connection.execute(text(statement))
    with workspace.database.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        connection.execute(text(statement))
    assert api.call("administrator", "GET", "/audit/verify").json()["broken_at"] == 4


def test_writers_at_the_same_time_write_one_chain(workspace) -> None:
    def write(number: int) -> None:
        with transaction(workspace.database) as connection:
            audit.record(connection, "user x", "thing.done", f"{number}", {"n": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(50)))
    with transaction(workspace.database) as connection:
        entries, broken = audit.verify_entries(connection)
    assert broken is None
    assert entries >= 50
