"""Versions in tables of a real PostgreSQL: one transaction each, never back to an older one."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from psycopg import sql
from tests.integration.exporter import connected
from tests.integration.exporter.connected import connect, connection_of, deliveries, drain, exporter
from tests.integration.exporter.world import AS_OF, COLUMNS, World

from muster_core.errors import InvalidInput, MusterError
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.storage.connection import OpenedConnection, ask_test
from muster_core.storage.database import transaction
from muster_core.storage.export_request import request_delivery
from muster_exporter.database import copy_rows
from muster_exporter.opening import table_sink

pytestmark = pytest.mark.integration


def document(url: str, kind: str, **more: object) -> dict[str, Any]:
    found = sa.make_url(url)
    return {
        "name": "there",
        "kind": kind,
        "host": "127.0.0.1",
        "port": found.port,
        "database": found.database,
        "user": found.username,
        "sslmode": "prefer",
        "schema": "public" if kind == "feed" else "crm_in",
        **more,
    }


Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(world: World, database_url: str) -> Rows:
    """Connections of both kinds into schemas of the test's own database, and what a query there gives."""
    password = {"password": str(sa.make_url(database_url).password)}
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA crm_in")
        admin.execute("CREATE SCHEMA feed_in")
    connect(world, document(database_url, "postgresql"), password)
    feed = document(database_url, "feed", name="feed", schema="feed_in")
    connect(world, feed, password)

    def query(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    return query


def export(world: World, **changes: Any) -> None:
    world.export(**{"connection": "there", **changes})


def test_a_table_holds_exactly_the_members_with_their_values(world, rows):
    version = world.publish("vip")
    export(world)
    world.queue("crm", "vip", version)
    drain(world)

    (done,) = deliveries(world)
    names = [c for c in COLUMNS if c != "tags"]
    columns = ", ".join([*names, "tags"])
    found = rows(f"SELECT {columns} FROM crm_in.crm ORDER BY id")  # noqa: S608 - names of the test
    wanted = world.members("vip", version, [*names, "tags"]).sort_by("id").to_pylist()
    assert done.state == "delivered"
    assert done.rows == len(found) == len(wanted)
    assert found == [tuple(row.values()) for row in wanted]
    assert rows("SELECT DISTINCT muster_segment FROM crm_in.crm") == [("vip",)]
    assert rows("SELECT export, segment, version FROM crm_in.muster_export_version") == [
        ("crm", "vip", version)
    ]


def test_the_next_version_touches_only_what_differs(world, rows):
    first = world.publish("vip")
    world.publish("loyal")
    export(world, segments=["vip", "loyal"])
    world.queue("crm", "vip", first)
    world.queue("crm", "loyal", 1)
    drain(world)
    before = dict(rows("SELECT id, xmin::text FROM crm_in.crm WHERE muster_segment = 'vip'"))
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)

    after = dict(rows("SELECT id, xmin::text FROM crm_in.crm WHERE muster_segment = 'vip'"))
    assert sorted(after) == sorted(world.members("vip", 2, ["id"]).column(0).to_pylist())
    stayed = after.keys() & before.keys()
    assert stayed
    assert all(after[key] == before[key] for key in stayed)
    loyal = rows("SELECT id FROM crm_in.crm WHERE muster_segment = 'loyal' ORDER BY 1")
    assert [r[0] for r in loyal] == sorted(world.members("loyal", 1, ["id"]).column(0).to_pylist())


@pytest.mark.parametrize(("kind", "columns"), [("postgresql", ["age"]), ("feed", [])])
def test_first_deliveries_at_once_do_not_make_a_table_twice(
    world, rows, database_url, kind, columns
):
    segments = [f"s{number}" for number in range(6)]
    password = {"password": str(sa.make_url(database_url).password)}
    wide = document(database_url, kind, name="wide", concurrency=len(segments))
    connect(world, wide, password)
    for segment in segments:
        world.publish(segment)
    world.export(connection="wide", columns=columns, segments=segments)
    for segment in segments:
        world.queue("crm", segment, 1)
    tasks = [task for task in (exporter(world).take() for _ in segments) if task is not None]
    assert len(tasks) == len(segments)
    with ThreadPoolExecutor(len(tasks)) as threads:
        list(threads.map(lambda task: task(), tasks))
    assert [(d.state, d.attempt) for d in deliveries(world)] == [("delivered", 1)] * len(segments)


def test_an_older_version_changes_nothing(world, rows):
    for _ in range(2):
        world.publish("vip")
    export(world)
    world.queue("crm", "vip", 2)
    drain(world)
    before = rows("SELECT id, xmin::text FROM crm_in.crm ORDER BY 1")
    world.queue("crm", "vip", 1)
    drain(world)

    assert rows("SELECT id, xmin::text FROM crm_in.crm ORDER BY 1") == before


def test_a_stop_before_the_commit_leaves_the_version_before(world, rows, database_url):
    world.publish("vip")
    export(world)
    world.queue("crm", "vip", 1)
    drain(world)
    before = rows("SELECT id FROM crm_in.crm ORDER BY 1")
    world.queue("crm", "vip", world.publish("vip"))
    stopped = exporter(world)
    stopped._stopping = lambda: True
    stopped.work()

    assert deliveries(world)[0].state == "pending"
    assert rows("SELECT id FROM crm_in.crm ORDER BY 1") == before


def test_a_column_that_comes_later_is_added_and_another_type_is_refused(world, rows):
    world.publish("vip")
    export(world, columns=["age"])
    world.queue("crm", "vip", 1)
    drain(world)
    export(world, columns=["age", "email"])
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)
    wanted = world.members("vip", 2, ["id", "age", "email"]).sort_by("id").to_pylist()
    found = rows("SELECT id, age, email FROM crm_in.crm ORDER BY id")
    assert found == [tuple(row.values()) for row in wanted]

    export(world, columns=[{"column": "email", "as": "age"}])
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)
    assert deliveries(world)[0].state == "failed"
    assert deliveries(world)[0].error_class == "target_refused"


@pytest.mark.parametrize("history", [True, False])
def test_the_feed_tells_who_belongs_where_and_since_when(world, rows, database_url, history):
    password = {"password": str(sa.make_url(database_url).password)}
    feed = document(database_url, "feed", name="feed", schema="feed_in", history=history)
    connect(world, feed, password)
    world.publish("vip")
    world.publish("loyal")
    world.export(connection="feed", columns=[], segments=["vip", "loyal"])
    world.queue("crm", "vip", 1)
    world.queue("crm", "loyal", 1)
    drain(world)
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)

    one, two = (set(world.members("vip", v, ["id"]).column(0).to_pylist()) for v in (1, 2))
    loyal = set(world.members("loyal", 1, ["id"]).column(0).to_pylist())
    found = rows(
        "SELECT customer, joined_at, left_at FROM feed_in.muster_membership WHERE segment = 'vip'"
    )
    assert {r[0] for r in found if r[2] is None} == two
    assert {r[0] for r in found if r[2] is not None} == (one - two if history else set())
    assert {r[1] for r in found} == {AS_OF}
    lists = dict(rows("SELECT customer, segments FROM feed_in.muster_customer"))
    assert lists == {
        key: sorted(name for name, who in (("vip", two), ("loyal", loyal)) if key in who)
        for key in two | loyal
    }
    (seen,) = rows(
        'SELECT count(*), min("SegmentProvider"), min("Segments"::json->>0)'
        " FROM feed_in.msdynci_segmentmembership WHERE \"Segments\"::jsonb ? 'vip'"
    )
    assert seen == (len(two), "Muster", "loyal" if two & loyal else "vip")


def test_the_feed_delivered_again_is_the_same(world, rows):
    world.publish("vip")
    world.export(connection="feed", columns=[])
    for _ in range(2):
        with transaction(world.database) as connection:
            request_delivery(connection, "crm", actor="test")
        drain(world)
        found = rows("SELECT count(*), count(DISTINCT customer) FROM feed_in.muster_membership")
        assert found == [(world.members("vip", 1, ["id"]).num_rows,) * 2]


@pytest.mark.parametrize("name", ["there", "feed"])
def test_a_tested_connection_leaves_nothing(world, rows, name):
    with transaction(world.database) as connection:
        ask_test(connection, name)
    exporter(world).work()

    assert connection_of(world, name).test_error is None
    assert rows("SELECT tablename FROM pg_tables WHERE schemaname IN ('crm_in', 'feed_in')") == []


def test_a_wrong_password_is_refused_and_quoted_nowhere(world, rows, database_url):
    # the embedded server trusts nobody on this address, so a user that does not exist is as good
    wrong = parse_target(document(database_url, "postgresql", user="nobody-canary"))
    secret = parse_secret("postgresql", {"password": "canary-password"})

    def try_it() -> None:
        with table_sink(
            OpenedConnection(target=wrong, secret=secret), connected.settings(world)
        ) as table:
            table.probe()

    with pytest.raises(MusterError) as caught:
        try_it()
    assert caught.value.code == "target_refused"
    assert "canary" not in f"{caught.value!r} {caught.value}"


def test_a_test_says_what_does_not_answer_and_promises_no_other_try(world, database_url):
    written = document(database_url, "postgresql", database="nowhere")
    password = {"password": str(sa.make_url(database_url).password)}
    with closed_port() as port:
        for changed, code, said in (
            (written, "target_refused", "There is no database nowhere on "),
            (
                written | {"port": port},
                "target_unavailable",
                f"Nothing answers at 127.0.0.1 port {port}",
            ),
        ):
            connect(world, changed, password)
            with transaction(world.database) as connection:
                ask_test(connection, "there")
            exporter(world).work()
            found = connection_of(world, "there")
            assert found.test_error_class == code
            assert str(found.test_error).startswith(said)
            assert "tried again" not in str(found.test_error)


@contextmanager
def closed_port() -> Iterator[int]:
    """Keep a port that nobody else gets, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_what_a_table_takes_without_effect_is_refused(world, rows):
    world.publish("vip")
    with pytest.raises(InvalidInput) as caught:
        export(world, format="parquet", rows_per_file=5, name="muster_x")
    assert [p.pointer for p in caught.value.problems] == ["/format", "/rows_per_file", "/name"]
    with pytest.raises(InvalidInput) as caught:
        world.export(connection="feed")
    assert [p.pointer for p in caught.value.problems] == ["/columns"]


def test_nul_in_texts_and_in_lists_becomes_a_character_that_databases_have(database_url):
    lists = [["cut off"], None, [], ["a\x00b", None, "\\u0000"], ["plain"]]
    table = pa.table({"note": ["", "x\x00", None, "y", "z"], "tags": lists}).slice(1)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE stage (note text, tags jsonb)")
        copy_rows(cursor, sql.Identifier("stage"), table.schema, [table])
        found = cursor.execute("SELECT note, tags FROM stage").fetchall()

    assert found == [
        ("x\ufffd", None),
        (None, []),
        ("y", ["a\ufffdb", None, "\\u0000"]),
        ("z", ["plain"]),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE {} ADD COLUMN extra text NOT NULL", "must have a value .* extra"),
        ("ALTER TABLE {} DROP CONSTRAINT crm_pkey", "no unique key of muster_segment and id"),
        ("DROP TABLE {0}; CREATE VIEW {0} AS SELECT 1 AS x", "no table"),
        (
            "DROP TABLE {0}; CREATE TABLE {0} (muster_segment text, key text NOT NULL)",
            "must have a value .* key",
        ),
    ],
    ids=["demanding column", "no key", "view", "another key"],
)
def test_a_table_that_somebody_altered_says_what_is_wrong_with_it(
    world, rows, database_url, change, said
):
    first = world.publish("vip", keys=())
    export(world, columns=["age"])
    world.queue("crm", "vip", first)
    drain(world)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(change.format("crm_in.crm").encode())
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)

    found = deliveries(world)[0]
    assert (found.state, found.error_class) == ("failed", "target_refused")
    assert re.search(said, str(found.error))
