# ruff: noqa: S608 - statements of the tests' own making
"""What changed at a source arrives, what did not costs nothing, and no sequence of changes is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.integration.extract.conftest import SourceBench

from muster_core.errors import DuplicateKeys, SourceUnreadable
from muster_core.extract.document import PostgresSource
from muster_core.extract.manifest import ExtractManifest

pytestmark = pytest.mark.integration

ITEMS = "SELECT id, name, changed FROM items"


def declare(**fields: Any) -> PostgresSource:
    origin = {} if "query" in fields else {"table": "items"}
    return PostgresSource.model_validate({"connection": "SHOP", **origin, **fields})


WHOLE = declare()
FOLLOWED = declare(watermark="changed", overlap="1 hour")


def make(source: SourceBench, rows: int = 1_000, key: str = "PRIMARY KEY") -> None:
    source.run(
        f"CREATE TABLE items (id bigint {key}, name text, changed timestamptz)",
        "INSERT INTO items SELECT g, 'name ' || g, timestamptz '2024-01-01 00:00+00' + g * interval '1 minute' "
        f"FROM generate_series(1, {rows}) g",
    )


def files(manifest: ExtractManifest) -> list[tuple[int, str, int, str | None]]:
    return [(f.number, f.path, f.dead_rows, f.dead) for f in manifest.files]


@pytest.mark.parametrize("declared", [WHOLE, FOLLOWED], ids=["whole", "watermark"])
def test_an_unchanged_source_changes_nothing(source: SourceBench, declared: PostgresSource) -> None:
    make(source)
    first = source.extract(declared)
    again = source.extract(declared)
    assert first.changed
    assert not again.changed
    assert files(again.manifest) == files(first.manifest)
    assert source.equals(again.manifest, ITEMS)


def test_an_unchanged_table_is_confirmed_without_being_read(source: SourceBench) -> None:
    make(source, rows=5_000)
    source.extract(WHOLE, pages=8)
    again = source.extract(WHOLE, pages=8)
    assert again.read_rows == 0
    assert again.confirmed == len(again.manifest.pieces) > 3

    # When the last rows change
    source.run("UPDATE items SET name = 'other' WHERE id > 4990")

    # Then only the pages they left and went to are read, and only the rows that changed are added
    changed = source.extract(WHOLE, pages=8)
    assert changed.confirmed == len(again.manifest.pieces) - 1
    assert 0 < changed.read_rows < 2_000
    assert (changed.added_rows, changed.dead_rows) == (10, 10)
    assert source.equals(changed.manifest, ITEMS)

    # And from then on they are confirmed, too
    assert source.extract(WHOLE, pages=8).read_rows == 0


def test_a_rewritten_table_with_the_same_rows_changes_nothing(source: SourceBench) -> None:
    make(source, rows=3_000)
    first = source.extract(WHOLE, pages=8)
    source.run("DELETE FROM items WHERE id % 2 = 0", "VACUUM FULL items")
    halved = source.extract(WHOLE, pages=8)
    assert (halved.added_rows, halved.dead_rows) == (0, 1_500)
    source.run("CLUSTER items USING items_pkey")
    moved = source.extract(WHOLE, pages=8)
    assert moved.read_rows == 1_500
    assert not moved.changed
    assert source.extract(WHOLE, pages=8).read_rows == 0
    source.run("UPDATE items SET name = 'x' WHERE id = 1")
    last = source.extract(WHOLE, pages=8)
    assert (last.added_rows, last.dead_rows) == (1, 1)
    assert source.equals(last.manifest, ITEMS)
    assert len(last.manifest.files) == len(first.manifest.files) + 1


def test_rows_without_a_key_are_counted_one_by_one(source: SourceBench) -> None:
    source.run(
        "CREATE TABLE items (name text)", "INSERT INTO items VALUES ('a'), ('a'), ('b'), (NULL)"
    )
    source.extract(WHOLE)
    source.run("INSERT INTO items VALUES ('a'), (NULL)", "DELETE FROM items WHERE name = 'b'")
    found = source.extract(WHOLE)
    assert (found.added_rows, found.dead_rows) == (2, 1)
    assert source.equals(found.manifest, "SELECT name FROM items")


def test_an_emptied_table_is_empty_and_can_fill_again(source: SourceBench) -> None:
    make(source)
    for declared in (WHOLE, FOLLOWED):
        source.extract(declared)
    source.run("TRUNCATE items")
    for declared in (WHOLE, FOLLOWED):
        assert source.extract(declared).manifest.rows == 0
    source.run("INSERT INTO items VALUES (1, 'again', '2020-01-01')")
    for declared in (WHOLE, FOLLOWED):
        assert source.equals(source.extract(declared, whole=True).manifest, ITEMS)


def test_a_table_that_never_had_rows_has_its_columns(source: SourceBench) -> None:
    make(source, rows=0)
    found = source.extracted(source.extract(WHOLE).manifest)
    assert found.num_rows == 0
    assert found.column_names == ["id", "name", "changed"]


def test_a_watermark_finds_new_changed_and_late_rows(source: SourceBench) -> None:
    make(source)
    source.extract(FOLLOWED)
    last = "timestamptz '2024-01-01 00:00+00' + 1000 * interval '1 minute'"
    source.run(
        f"INSERT INTO items VALUES (2001, 'new', {last} + interval '1 minute')",
        f"UPDATE items SET name = 'changed', changed = {last} + interval '2 minutes' WHERE id = 7",
        f"INSERT INTO items VALUES (2002, 'late', {last} - interval '30 minutes')",
        "INSERT INTO items VALUES (2003, 'without', NULL)",
    )
    found = source.extract(FOLLOWED)
    assert not found.whole
    assert (found.added_rows, found.dead_rows) == (4, 1)
    assert found.read_rows < 80  # the overlap, not the table
    assert source.equals(found.manifest, ITEMS)
    assert not source.extract(FOLLOWED).changed


def test_a_comparison_finds_what_the_watermark_cannot(source: SourceBench) -> None:
    make(source)
    source.extract(FOLLOWED)
    source.run(
        "DELETE FROM items WHERE id IN (3, 999)",
        "UPDATE items SET name = 'silently' WHERE id = 5",
        "INSERT INTO items VALUES (3000, 'too late', '2023-01-01')",
    )
    # Rows far behind the watermark, and deleted ones, are not looked for...
    assert not source.extract(FOLLOWED).changed
    # ...until everything is compared
    found = source.extract(FOLLOWED, whole=True)
    assert (found.added_rows, found.dead_rows) == (2, 3)
    assert source.equals(found.manifest, ITEMS)


def test_the_comparison_comes_when_it_is_due(source: SourceBench) -> None:
    make(source)
    often = declare(watermark="changed", reconcile="1 second")
    source.extract(often)
    source.run("DELETE FROM items WHERE id = 3", "SELECT pg_sleep(1)")
    found = source.extract(often)
    assert found.whole
    assert source.equals(found.manifest, ITEMS)


def test_a_row_of_the_far_future_does_not_hide_the_others(source: SourceBench) -> None:
    make(source)
    source.run("INSERT INTO items VALUES (5000, 'typo', '9999-12-31')")
    source.extract(FOLLOWED)
    source.run("INSERT INTO items VALUES (5001, 'today', now())")
    found = source.extract(FOLLOWED)
    assert not found.whole
    assert source.equals(found.manifest, ITEMS)


def test_whole_numbers_dates_and_local_times_are_watermarks(source: SourceBench) -> None:
    source.run(
        "CREATE TABLE items (id int PRIMARY KEY, day date, local timestamp)",
        "INSERT INTO items SELECT g, date '2024-01-01' + g, timestamp '2024-01-01' + g * interval '1 day' "
        "FROM generate_series(1, 500) g",
    )
    declared = [
        declare(watermark="id", overlap=5),
        declare(watermark="day", overlap="2 days"),
        declare(watermark="local", overlap="2 days"),
    ]
    for one in declared:
        # another column begins with a comparison
        assert source.extract(one).whole
        source.run(
            "INSERT INTO items SELECT max(id) + 1, max(day) + 1, max(local) + interval '1 day' FROM items"
        )
        found = source.extract(one)
        assert (found.whole, found.added_rows) == (False, 1), one.watermark
        assert found.read_rows < 10
        assert source.equals(found.manifest, "SELECT id, day, local FROM items")


def test_a_key_that_repeats_is_refused(source: SourceBench) -> None:
    make(source, key="")
    keyed = declare(key=["id"], watermark="changed")
    source.run("INSERT INTO items SELECT * FROM items WHERE id < 4")
    with pytest.raises(DuplicateKeys, match="3 rows of the source of items repeat"):
        source.extract(keyed)
    source.run("DELETE FROM items a USING items b WHERE a.id = b.id AND a.ctid > b.ctid")
    source.extract(keyed)
    source.run("INSERT INTO items VALUES (1, 'x', now()), (1, 'y', now())")
    with pytest.raises(DuplicateKeys, match="1 new rows"):
        source.extract(keyed)


def test_a_watermark_needs_something_that_tells_rows_apart(source: SourceBench) -> None:
    make(source, key="")
    with pytest.raises(SourceUnreadable, match="nothing tells its rows apart"):
        source.extract(FOLLOWED)


def test_partitions_and_children_are_read_as_one_table(source: SourceBench) -> None:
    source.run(
        "CREATE TABLE items (id bigint, name text, changed timestamptz) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF items FOR VALUES FROM (0) TO (500)",
        # columns in another order, and partitions within a partition
        "CREATE TABLE high (changed timestamptz, extra int, name text, id bigint) PARTITION BY LIST (name)",
        "ALTER TABLE high DROP COLUMN extra",
        "ALTER TABLE items ATTACH PARTITION high FOR VALUES FROM (500) TO (9999)",
        "CREATE TABLE other PARTITION OF high DEFAULT",
        "INSERT INTO items SELECT g, 'n', now() FROM generate_series(1, 1000) g",
    )
    found = source.extract(WHOLE)
    assert len({s.piece.relation for s in found.manifest.pieces}) == 2
    assert source.equals(found.manifest, ITEMS)
    source.run("DROP TABLE low", "INSERT INTO items VALUES (501, 'again', now())")
    again = source.extract(WHOLE)
    assert (again.added_rows, again.dead_rows) == (1, 499)
    assert source.equals(again.manifest, ITEMS)


def test_views_and_queries_are_read_in_ranges_of_their_key(
    source: SourceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster_worker.extract.layout.PIECE_ROWS", 100)
    make(source)
    source.run("CREATE VIEW seen AS SELECT id, name, changed FROM items WHERE id > 10")
    seen = "SELECT id, name, changed FROM items WHERE id > 10"
    view = declare(query="SELECT * FROM seen -- the end;", key=["id"])
    by_name = PostgresSource(connection="SHOP", table="seen", key=["name"])
    for declared in (view, by_name):
        first = source.extract(declared)
        assert len(first.manifest.files) > 5
        assert source.equals(first.manifest, seen)
        source.run("UPDATE items SET name = name || '!' WHERE id = 500")
        again = source.extract(declared)
        assert (again.added_rows, again.dead_rows) == (1, 1)
        assert source.equals(again.manifest, seen)
        assert not source.extract(declared).changed


def test_files_nobody_names_are_removed(source: SourceBench) -> None:
    make(source)
    for round_ in range(4):
        found = source.extract(WHOLE)
        source.run(f"UPDATE items SET name = 'round {round_}'")
    ledger = source.ledger(WHOLE)
    assert ledger.numbers() == [3, 4]
    present = set(source.lake.locate(ledger.directory).rglob("*.parquet"))
    assert {source.lake.locate(f.path) for f in found.manifest.files} <= present


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(1, 40), st.integers(0, 3)),
        st.tuples(st.just("update"), st.integers(1, 40), st.integers(0, 3)),
        st.tuples(st.just("touch"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("delete"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("rewrite"), st.just(0), st.just(0)),
        st.tuples(st.just("vacuum"), st.just(0), st.just(0)),
        st.tuples(st.just("empty"), st.just(0), st.just(0)),
        st.tuples(st.just("extract"), st.just(0), st.just(0)),
        st.tuples(st.just("extract"), st.just(0), st.just(1)),
    ),
    max_size=14,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target],
)
@given(changes=CHANGES, follow=st.booleans())
def test_any_sequence_of_changes_and_extractions_gives_the_table(
    source: SourceBench, changes: list[tuple[str, int, int]], follow: bool
) -> None:
    # a new table has new storage, but the lake remembers the one before: that is part of the test
    source.run("DROP TABLE IF EXISTS items")
    make(source, rows=60)
    declared = declare(watermark="changed") if follow else WHOLE
    statements = {
        # rows wide enough that a few pages fill
        "insert": "INSERT INTO items SELECT 100 + {0} * 7, repeat('{1}', 900), now() ON CONFLICT DO NOTHING",
        "update": "UPDATE items SET name = repeat('{1}', 700), changed = now() WHERE id = {0}",
        "touch": "UPDATE items SET name = name WHERE id = {0}",
        "delete": "DELETE FROM items WHERE id = {0}",
        "rewrite": "VACUUM FULL items",
        "vacuum": "VACUUM items",
        "empty": "TRUNCATE items",
    }
    for what, number, kind in changes:
        if what == "extract":
            found = source.extract(declared, whole=bool(kind), pages=1)
            deleted = any(c[0] in ("delete", "empty") for c in changes)
            if found.whole or not deleted:
                assert source.equals(found.manifest, ITEMS)
        else:
            source.run(statements[what].format(number, kind))
    last = source.extract(declared, whole=True, pages=1)
    assert source.equals(last.manifest, ITEMS)
    assert not source.extract(declared, whole=True, pages=1).changed


@pytest.mark.parametrize("declared", [WHOLE, FOLLOWED], ids=["whole", "watermark"])
def test_values_that_change_without_a_row_being_written_are_found(
    source: SourceBench, declared: PostgresSource
) -> None:
    # Given rows whose values hang on the table's definition
    source.run("CREATE TYPE mood AS ENUM ('good', 'bad')")
    make(source, rows=50)
    source.run("ALTER TABLE items ADD COLUMN mood mood DEFAULT 'good'")
    source.extract(declared)
    selected = "SELECT id, name, changed, mood::text FROM items"
    for statement in (
        "ALTER TYPE mood RENAME VALUE 'good' TO 'fine'",
        "ALTER TABLE items DROP COLUMN mood, ADD COLUMN mood mood DEFAULT 'bad'",
    ):
        # When they change, and no row is touched
        source.run(statement)
        # Then every row is new
        found = source.extract(declared)
        assert (found.added_rows, found.dead_rows) == (50, 50)
        assert source.equals(found.manifest, selected)


def test_another_primary_key_tells_rows_apart_anew(source: SourceBench) -> None:
    make(source, rows=50)
    source.extract(FOLLOWED)
    source.run("ALTER TABLE items DROP CONSTRAINT items_pkey, ADD PRIMARY KEY (name)")
    found = source.extract(FOLLOWED)
    assert found.whole
    assert source.equals(found.manifest, ITEMS)
    source.run("UPDATE items SET id = 1000, changed = now() WHERE name = 'name 5'")
    found = source.extract(FOLLOWED)
    assert not found.whole
    assert (found.added_rows, found.dead_rows) == (1, 1)


def test_many_increments_leave_few_files(
    source: SourceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster_worker.extract.compaction.MOST_SMALL_FILES", 3)
    make(source, rows=2_000)
    for declared in (WHOLE, FOLLOWED):
        for round_ in range(4):
            source.run(
                f"UPDATE items SET name = 'round {round_}', changed = now() WHERE id % 300 = {round_}",
                f"INSERT INTO items VALUES ({10_000 + round_}, 'new', now()) ON CONFLICT DO NOTHING",
            )
            found = source.extract(declared, pages=4)
            assert len(found.manifest.files) <= 4
            assert source.equals(found.manifest, ITEMS)
    # When most rows go, the file they were in is not kept for the few that stay
    source.run("DELETE FROM items WHERE id > 100")
    found = source.extract(WHOLE, pages=4)
    assert all(f.dead_rows * 2 <= f.rows for f in found.manifest.files)
    assert source.equals(found.manifest, ITEMS)
    # and what was written again still lies in the pieces it lay in
    assert source.extract(WHOLE, pages=4).read_rows == 0


def test_another_definition_starts_afresh_and_clears_the_old_one(source: SourceBench) -> None:
    make(source)
    source.extract(WHOLE)
    source.run("ALTER TABLE items ADD COLUMN more int DEFAULT 7")
    found = source.extract(WHOLE)
    assert source.equals(found.manifest, "SELECT id, name, changed, more FROM items")
    table = source.lake.locate(source.ledger(WHOLE).directory).parent
    assert len(list(table.iterdir())) == 1
