"""Whatever a source refuses is said clearly, in the right class of error, and without secrets."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.integration.extract.conftest import SourceBench

from muster_core.errors import (
    MusterError,
    SourceDenied,
    SourceMissing,
    SourceTimeout,
    SourceUnavailable,
    SourceUnreadable,
    TransientError,
)
from muster_core.extract.document import PostgresSource
from muster_worker.extract.extraction import extract

pytestmark = pytest.mark.integration

COLUMNS = {"id": "integer", "name": "text"}


def declare(**fields: Any) -> PostgresSource:
    origin = {} if "query" in fields else {"table": "items"}
    return PostgresSource.model_validate({"connection": "SHOP", **origin, **fields})


@pytest.fixture
def items(source: SourceBench) -> SourceBench:
    source.run(
        "CREATE TABLE items (id int PRIMARY KEY, name text)",
        "INSERT INTO items SELECT g, 'Secret Person ' || g FROM generate_series(1, 100) g",
    )
    return source


def fail(items: SourceBench, url: str, source: PostgresSource, **given: Any) -> MusterError:
    with pytest.raises(MusterError) as caught:
        extract(items.lake, source, url, table="items", columns=given.get("columns", COLUMNS))
    password = items.url.split(":")[2].split("@")[0]
    for secret in (password, "wrong-password", "Secret Person"):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value)
    assert caught.value.__cause__ is None  # the cause's own words would reach a log
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_a_server_that_is_away(items: SourceBench) -> None:
    error = fail(items, "postgresql://somebody:wrong-password@127.0.0.1:1/shop", declare())
    assert type(error) is SourceUnavailable
    assert isinstance(error, TransientError)
    assert "127.0.0.1:1 does not answer" in error.message


def test_a_wrong_password_and_an_unknown_database(items: SourceBench) -> None:
    wrong = items.url.replace(items.url.split(":")[2].split("@")[0], "wrong-password")
    error = fail(items, wrong, declare())
    assert type(error) is SourceDenied
    assert "refused the source's login" in error.message
    unknown = f"{items.url.rsplit('/', 1)[0]}/nobody"
    assert type(fail(items, unknown, declare())) is SourceMissing


def test_a_missing_table_schema_or_column(items: SourceBench) -> None:
    for table in ("gone", "nowhere.items"):
        error = fail(items, items.url, declare(query=None, table=table))
        assert type(error) is SourceMissing
        assert table.split(".")[0] in error.message
    error = fail(items, items.url, declare(query="SELECT id, nome FROM items"))
    assert type(error) is SourceUnreadable
    assert 'column "nome" does not exist' in error.message
    error = fail(items, items.url, declare(key=["code"]))
    assert error.message == "The source of items has no column code."
    error = fail(items, items.url, declare(), columns={"id": "integer", "code": "text"})
    assert "has column code as nothing, the catalog as text" in error.message


def test_a_column_of_another_type(items: SourceBench) -> None:
    items.run("ALTER TABLE items ALTER name TYPE int USING length(name)")
    error = fail(items, items.url, declare())
    assert type(error) is SourceUnreadable
    assert "has column name as integer, the catalog as text" in error.message


def test_permission_denied(items: SourceBench) -> None:
    role = f"reader_{items.url.rsplit('_', 1)[1]}"
    items.run(f"CREATE ROLE {role} LOGIN PASSWORD 'wrong-password'")
    try:
        head, _, rest = items.url.partition("://")
        url = f"{head}://{role}:wrong-password@{rest.partition('@')[2]}"
        error = fail(items, url, declare())
        assert type(error) is SourceDenied
        assert "permission denied for table items" in error.message
        # a right to the table is all it needs: the rest is open to everybody
        items.run(f"GRANT SELECT ON items TO {role}")
        found = extract(items.lake, declare(), url, table="items", columns=COLUMNS)
        assert found.manifest.rows == 100
        assert all(state.horizon for state in found.manifest.pieces)
    finally:
        items.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_statement_that_takes_too_long(items: SourceBench) -> None:
    slow = "SELECT id, name || coalesce(pg_sleep(0.05)::text, '') AS name FROM items"
    error = fail(items, items.url, declare(query=slow, statement_timeout="1 second"))
    assert type(error) is SourceTimeout
    assert "statement_timeout" in str(error)


def test_a_table_somebody_else_has_locked(items: SourceBench) -> None:
    with psycopg.connect(items.url) as other:
        other.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        error = fail(items, items.url, declare(lock_timeout="1 second"))
    assert type(error) is SourceTimeout
    assert "is locked by somebody else" in error.message


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM items RETURNING id, name",
        "WITH gone AS (DELETE FROM items RETURNING id, name) SELECT * FROM gone",
        "SELECT id, name FROM items FOR UPDATE",
        "SELECT nextval('ids')::int AS id, '' AS name",
        "SELECT id, name FROM items) AS q; DELETE FROM items; SELECT * FROM (SELECT id, name FROM items",
        "SELECT id, name FROM items) AS q; COMMIT; DELETE FROM items; --",
        "SELECT id, name FROM",
        "SELECT id, id FROM items",
    ],
)
def test_a_query_that_is_not_one_reading_statement(items: SourceBench, query: str) -> None:
    items.run("CREATE SEQUENCE ids")
    error = fail(items, items.url, declare(query=query))
    assert type(error) is SourceUnreadable
    assert items.rows("SELECT count(*) FROM items") == [(100,)]


def test_a_value_that_cannot_be_computed_is_not_quoted(items: SourceBench) -> None:
    query = "SELECT id, name, name::int AS n FROM items"
    error = fail(items, items.url, declare(query=query), columns={**COLUMNS, "n": "integer"})
    assert type(error) is SourceUnreadable
    assert "22P02" in error.message


def test_a_server_that_is_too_old(items: SourceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster_core.extract.session.OLDEST_VERSION", 990_000)
    assert "older than release 14" in fail(items, items.url, declare()).message
