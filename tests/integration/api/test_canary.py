"""Member data reaches nobody without the grant: in no field of no answer of any route."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
import redis
import sqlalchemy as sa
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save
from tests.integration.api.world import EXPORT, published_api
from tests.integration.exporter.world import COLUMNS, partition_table

from muster_console.api.policy import every_route
from muster_core.lake.manifest import ALIVE

pytestmark = pytest.mark.integration

CANARY = "qcanaryq"
#: What stands in a path, so that it leads to something where it can.
PLACES = {
    "segment": ("loyal",),
    "table": ("customers", "orders"),
    "column": ("email", "id"),
    "verb": ("hold",),
}
#: What the things of a kind are called.
NAMES = {"exports": ("crm",), "connections": ("there", "far"), "users": ("seer",)}
#: Of texts that are personal: what it holds is told by how many rows pass, never by a value.
_NOTED = {
    "name": "noted",
    "rules": [{"where": {"kind": "attribute", "column": "note", "compare": "is_set"}}],
}
_FILES = {"files": [{"name": "noted.yaml", "text": json.dumps(_NOTED)}]}
#: Bodies that do something; every other route gets an empty one.
BODIES: dict[tuple[str, str], object] = {
    ("POST", "/segments/refresh"): {"names": ["vip"]},
    ("POST", "/exports/check"): {"documents": [EXPORT]},
    ("POST", "/exports"): {"documents": [EXPORT]},
    ("PUT", "/exports/{name}"): EXPORT,
    ("POST", "/segments/quick"): {"table": "customers", "column": "email"},
    ("POST", "/segments/preview"): _NOTED,
    ("POST", "/segments/plan"): _NOTED,
    ("POST", "/segments/plan/members"): _NOTED,
    ("POST", "/segments/overlap"): {"names": ["vip", "loyal"]},
    ("POST", "/segments/{name}/explain"): {"key": "qcanaryqid0"},
    ("POST", "/plan"): _NOTED,
    ("POST", "/plan/files"): _FILES,
    ("POST", "/rules/check"): _FILES,
}
HEADERS = {"If-None-Match": "*"}
SECRET = "qcredentialq"  # noqa: S105
FAR = {
    "document": {
        "name": "far",
        "kind": "feed",
        "host": "db.example.org",
        "database": "d",
        "user": "u",
        "schema": "s",
    },
    "credentials": {"password": SECRET},
}


def customers() -> pa.Table:
    """Return a profile in which every text of a customer holds the canary."""
    table = partition_table(0, 30)
    for column in ("id", "email", "note"):
        place = table.column_names.index(column)
        values = pa.array([f"{CANARY}{column}{i}" for i in range(len(table))])
        table = table.set_column(place, column, values)
    alive = table.column_names.index(ALIVE)
    return table.set_column(alive, ALIVE, pa.array([True] * len(table)))


@pytest.fixture
def api(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path):
    assert {"id", "email", "note"} <= set(COLUMNS)
    with published_api(database, database_url, redis_url, tmp_path, customers()) as (opened, _, _):
        save(opened)
        opened.call("contributor", "POST", "/exports/crm/deliver")
        made = opened.call("administrator", "POST", "/connections", json=FAR)
        assert made.is_success, made.text
        yield opened


def paths(template: str) -> list[str]:
    names = re.findall(r"\{([a-z_]+)\}", template)
    known = {**PLACES, "name": NAMES.get(template.split("/")[1], ("vip",))}
    chosen = [known.get(name, ("1",)) for name in names]
    return [
        template.format(**dict(zip(names, values, strict=True)))
        for values in itertools.product(*chosen)
    ]


def told(api: Api, who: str | None, method: str, path: str, body: object) -> str:
    """Return head and body of an answer; of what is followed, as far as its first progress."""
    headers = dict(HEADERS) if who is None else HEADERS | bearer(api, who)
    found = []
    with api.client.stream(method, f"/api/v1{path}", json=body, headers=headers) as answer:
        for line in answer.iter_lines():
            found.append(line)
            if line == "event: progress":
                break
        return "\n".join([str(answer.headers), *found])


def bearer(api: Api, who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.tokens[who]}"}


def test_no_answer_holds_member_data_for_who_may_not_see_it(
    api: Api, database: sa.Engine, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """I15."""
    # the canary is there to be found
    assert CANARY in api.call("seer", "GET", "/segments/vip/members?columns=email").text
    assert CANARY in api.call("seer", "GET", "/segments/vip/download?columns=note").text
    asked = 0
    for route in every_route(api.app):
        template = str(route.path).removeprefix("/api/v1")
        needed = [p.alias for p in route.dependant.query_params if p.field_info.is_required()]
        query = "?" + "&".join(f"{name}=1" for name in needed) if needed else ""
        for method, path in itertools.product(sorted(route.methods or ()), paths(template)):
            body = BODIES.get((method, template), {} if method not in ("GET", "DELETE") else None)
            for who in ("viewer", "contributor", "administrator", None):
                asked += 1
                answer = told(api, who, method, path + query, body)
                assert CANARY not in answer, (who, method, path)
                assert SECRET not in answer, (who, method, path)
    assert asked > 300
    # nor is any of it where services keep and say things
    kept = [*_tables(database), *_hints(redis_url), *capfd.readouterr()]
    assert len(kept) > 20
    for text in kept:
        assert CANARY not in text
        assert SECRET not in text
        assert not [token for token in api.tokens.values() if token in text]


def _tables(database: sa.Engine) -> list[str]:
    """Return every row of the control database as text."""
    with database.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return [
            str(row[0])
            for name in names
            for row in connection.execute(sa.text(f'SELECT t::text FROM "{name}" t'))  # noqa: S608
        ]


def _hints(url: str) -> list[str]:
    """Return everything the server of hints holds."""
    with redis.Redis.from_url(url) as client:
        return [f"{key!r} {client.dump(key)!r}" for key in client.scan_iter()]
