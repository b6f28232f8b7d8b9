from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from muster_core.errors import PartUnavailable
from muster_core.storage.batch import LEFT_OVER
from muster_core.storage.claim import BLOCKERS
from muster_core.storage.dictionary import all_tables
from muster_core.storage.migrate import migrate

pytestmark = pytest.mark.integration


@pytest.fixture
def empty(postgres_url):
    """Make empty databases, dropped at the end."""
    names: list[str] = []

    def make(name: str) -> str:
        names.append(name)
        run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        return f"{postgres_url.rsplit('/', 1)[0]}/{name}".replace(
            "postgresql://", "postgresql+psycopg://"
        )

    def run(*statements: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    yield make
    run(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


def described(url: str) -> set[tuple[str, ...]]:
    """Return every column, index and constraint of a database as PostgreSQL writes them."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            tuple(map(str, row))
            for query in (
                (
                    "SELECT table_name, column_name, data_type, is_nullable, column_default,"
                    " is_identity FROM information_schema.columns WHERE table_schema = 'public'"
                ),
                "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
                (
                    "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid)"
                    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
                ),
                "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'",
            )
            for row in connection.execute(text(query))
            if "alembic_version" not in str(row[0])
        }
    engine.dispose()
    return found


def test_migrations_make_exactly_the_tables_of_the_code(empty) -> None:
    migrated, created = empty("muster_migrated"), empty("muster_created")
    migrate(migrated)
    engine = create_engine(created)
    all_tables().create_all(engine)
    engine.dispose()

    assert described(migrated) == described(created)

    engine = create_engine(migrated)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), all_tables()) == []
        assert connection.scalar(text("SELECT count(*) FROM store_head")) == 1
    engine.dispose()


def test_the_look_before_every_claim_reads_lost_batches_only(database) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO batch (fence, worker, state, runs, as_of)"
                " SELECT n, 'w', 'finished', 1, now() FROM generate_series(1, 5000) n"
            )
        )
        connection.execute(text("ANALYZE batch"))
        plan = connection.scalars(text(f"EXPLAIN {LEFT_OVER}"), {"address": "sc://x"}).all()
    assert any("Index Scan using lost on batch" in line for line in plan)


def test_the_look_for_references_before_every_claim_reads_no_history(database) -> None:
    with database.begin() as connection:
        for statement in (
            (
                "INSERT INTO segment (name, type, state, document, rule_hash, schedule)"
                " SELECT 's' || n, 'dynamic', 'active', '{}', '', '{}' FROM generate_series(1, 50) n"
            ),
            (
                "INSERT INTO segment_reference (segment_id, referred_id, policy)"
                " SELECT id, id - 1, 'skip' FROM segment WHERE id > 1"
            ),
            (
                "INSERT INTO refresh_run (segment_id, due_at, trigger, state)"
                " SELECT id, now() - n * interval '1 hour', 'system', 'published'"
                " FROM segment, generate_series(1, 200) n"
            ),
            (
                "INSERT INTO refresh_run (segment_id, due_at, trigger) SELECT id, now(), 'system'"
                " FROM segment"
            ),
            "ANALYZE",
        ):
            connection.execute(text(statement))
        plan = connection.scalars(text(f"EXPLAIN {BLOCKERS}"), {"segments": None}).all()
    assert not any("Seq Scan on refresh_run" in line for line in plan), plan
    assert not any("uq_refresh_run" in line for line in plan), plan


def test_migrating_again_and_several_at_once_does_it_once(empty) -> None:
    url = empty("muster_together")

    with ThreadPoolExecutor(4) as starters:
        list(starters.map(migrate, [url] * 4))
    migrate(url)

    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM store_head")) == 1
    engine.dispose()


def test_a_database_that_is_not_there_is_named_as_such() -> None:
    with pytest.raises(PartUnavailable, match="does not answer"):
        migrate("postgresql+psycopg://nobody:secret@127.0.0.1:1/none")
