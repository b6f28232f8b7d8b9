# ruff: noqa: S608 - statements of the tests' own making
"""One snapshot, whatever others write meanwhile, and whoever is killed in the middle."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pyarrow.compute as pc
import pytest
from tests.integration.extract.conftest import SourceBench
from tests.integration.extract.dying import COLUMNS, PAGES, SOURCE

from muster_core.errors import LeaseLost, SnapshotMoved, SourceUnavailable
from muster_core.extract.document import PostgresSource
from muster_worker.extract.extraction import Extraction
from muster_worker.extract.stream import Stream

pytestmark = pytest.mark.integration

ROWS = 60_000
ITEMS = "SELECT id, name, amount FROM items"


@pytest.fixture
def items(source: SourceBench) -> SourceBench:
    source.run(
        "CREATE TABLE items (id int PRIMARY KEY, name text, amount int)",
        f"INSERT INTO items SELECT g, 'name ' || g, 100 FROM generate_series(1, {ROWS}) g",
    )
    return source


def run(items: SourceBench, source: PostgresSource = SOURCE) -> Extraction:
    return items.extract(source, columns=COLUMNS, pages=PAGES)


def die(items: SourceBench, pieces: int) -> None:
    command = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    found = subprocess.run(
        [*command, items.url, items.lake.url, str(pieces)], timeout=120, check=False
    )
    assert found.returncode == -signal.SIGKILL


def test_writers_at_the_same_time_do_not_tear_the_snapshot(items: SourceBench) -> None:
    # Given writers who move amounts between rows, add pairs and take them away: the sum never changes
    stop = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(items.url) as connection:
            while not stop.is_set():
                a, b = chance.sample(range(1, ROWS), 2)
                connection.execute("UPDATE items SET amount = amount - 5 WHERE id = %s", [a])
                connection.execute("SAVEPOINT within")
                connection.execute("UPDATE items SET amount = amount + 5 WHERE id = %s", [b])
                new = chance.randrange(ROWS, 10**9)
                connection.execute(
                    "INSERT INTO items VALUES (%s, 'in', 7), (-%s, 'out', -7) ON CONFLICT DO NOTHING",
                    [new, new],
                )
                connection.execute("DELETE FROM items WHERE abs(id) = %s AND name <> ''", [new - 1])
                connection.commit()

    writers = [threading.Thread(target=write, args=[seed]) for seed in range(2)]
    for writer in writers:
        writer.start()
    try:
        # When the table is extracted again and again, whole and by pieces that were confirmed
        for _ in range(5):
            found = items.extracted(run(items).manifest)
            # Then the sum is what it always is
            assert pc.sum(found["amount"]).as_py() == 100 * ROWS
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert items.equals(run(items).manifest, ITEMS)


def test_a_killed_extraction_goes_on_with_the_pieces_it_had(items: SourceBench) -> None:
    # Given an extraction that was killed after four pieces, and rows that changed afterwards
    die(items, pieces=4)
    items.run(
        "UPDATE items SET amount = 1 WHERE id = 1",
        f"INSERT INTO items VALUES ({ROWS + 1}, 'new', 2)",
        f"DELETE FROM items WHERE id = {ROWS}",
    )

    # When the next one runs
    found = run(items)

    # Then it reads again only what changed or was never read, and the result is the table as it is now
    assert found.resumed >= 3
    assert found.read_rows < ROWS * 0.8
    assert items.equals(found.manifest, ITEMS)
    assert not run(items).changed


def test_an_increment_that_is_killed_can_be_resumed_too(items: SourceBench) -> None:
    run(items)
    items.run("UPDATE items SET amount = 5 WHERE id % 2 = 0")
    die(items, pieces=4)
    die(items, pieces=6)
    items.run("DELETE FROM items WHERE id = 2")
    found = run(items)
    assert found.resumed + found.confirmed >= 4
    assert items.equals(found.manifest, ITEMS)


def test_a_change_hidden_in_a_transaction_that_was_open_is_found(items: SourceBench) -> None:
    # Given a transaction that is open while the table is extracted
    with psycopg.connect(items.url) as writer:
        writer.execute("SELECT pg_current_xact_id()")
        writer.execute("SAVEPOINT within")
        writer.execute("DELETE FROM items WHERE id = 5")
        writer.execute("INSERT INTO items VALUES (-5, 'instead', 1)")
        writer.execute("UPDATE items SET amount = 42 WHERE id = 6")
        first = run(items)
        assert first.manifest.rows == ROWS
        # When it commits: the number of rows is the same
        writer.commit()
    # Then its rows are not taken for old ones
    found = run(items)
    assert (found.added_rows, found.dead_rows) == (2, 2)
    assert items.equals(found.manifest, ITEMS)


def test_pieces_of_another_server_history_are_not_used(
    items: SourceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(items)
    monkeypatch.setattr("muster_worker.extract.moment._server", lambda _: "restored/2/1")
    found = run(items)
    assert found.confirmed == 0
    assert found.read_rows == ROWS
    assert not found.changed


def test_two_extractions_never_publish_one_number(items: SourceBench) -> None:
    overtaken = False

    def progress(rows: int, done: int, total: int) -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            run(items)

    with pytest.raises(SnapshotMoved):
        items.extract(SOURCE, columns=COLUMNS, pages=PAGES, progress=progress)


def test_a_connection_that_breaks_is_replaced_within_the_snapshot(
    items: SourceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[int] = []
    batches = Stream.batches

    def breaking(self: Stream, statement: str):
        for batch in batches(self, statement):
            yield batch
            if not broken:
                ((pid,),) = items.rows(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'muster extract' "
                    "AND query LIKE 'COPY%' LIMIT 1"
                )
                broken.append(pid)
                items.run(f"UPDATE items SET amount = 3; SELECT pg_terminate_backend({pid})")

    monkeypatch.setattr(Stream, "batches", breaking)
    found = run(items)
    assert broken
    assert set(items.extracted(found.manifest)["amount"].to_pylist()) == {100}
    assert found.manifest.rows == ROWS


def test_a_source_that_dies_leaves_what_was_extracted(items: SourceBench) -> None:
    first = run(items)
    items.run("UPDATE items SET amount = 3")

    def progress(rows: int, done: int, total: int) -> None:
        if rows:
            items.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'muster extract'"
            )

    with pytest.raises(SourceUnavailable):
        items.extract(SOURCE, columns=COLUMNS, pages=PAGES, progress=progress)
    assert items.ledger(SOURCE).head() == first.manifest
    assert items.equals(run(items).manifest, ITEMS)


def test_an_extraction_can_be_stopped(items: SourceBench) -> None:
    stop = threading.Event()
    with pytest.raises(LeaseLost):
        items.extract(
            SOURCE, columns=COLUMNS, pages=PAGES, stop=stop, progress=lambda *_: stop.set()
        )
    assert items.ledger(SOURCE).head() is None
    # the source is not kept busy
    assert not items.rows(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'muster extract'"
    )


def test_others_can_write_and_alter_while_it_reads(items: SourceBench) -> None:
    modes: set[str] = set()

    def progress(rows: int, done: int, total: int) -> None:
        modes.update(
            mode
            for (mode,) in items.rows(
                "SELECT mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                "JOIN pg_stat_activity a USING (pid) "
                "WHERE relname = 'items' AND a.application_name = 'muster extract'"
            )
        )

    items.extract(SOURCE, columns=COLUMNS, pages=PAGES, progress=progress)
    assert modes == {"AccessShareLock"}


def test_memory_does_not_grow_with_the_table(source: SourceBench) -> None:
    # Given 200,000 rows that are 160 MB as text
    source.run(
        "CREATE TABLE items (id int PRIMARY KEY, name text, amount int)",
        "INSERT INTO items SELECT g, repeat(md5(g::text), 25), 100 FROM generate_series(1, 200000) g",
    )
    command = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    found = subprocess.run(
        [*command, source.url, source.lake.url, "0"],
        timeout=120,
        check=True,
        capture_output=True,
        text=True,
    )
    before, after = map(int, found.stdout.split())
    assert after - before < 160e6, f"grew by {(after - before) / 1e6:.0f} MB"
