"""What people did is recorded once each, and a change to the record itself is found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.integration.api.conftest import Api
from tests.integration.api.test_segment import save

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
