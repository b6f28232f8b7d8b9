# ruff: noqa: S608 - a statement of the test's own making
"""A source whose server is killed in the middle of being read."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from tests.integration.extract.conftest import SourceBench
from tests.integration.extract.dying import COLUMNS, PAGES, SOURCE

from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.errors import SourceUnavailable, TransientError
from muster_core.extract.ledger import Ledger
from muster_core.lake.location import Lake

pytestmark = pytest.mark.integration

ROWS = 60_000


def test_a_killed_server_leaves_what_was_extracted_and_the_next_attempt_succeeds(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "lake").mkdir()
    port = choose_port("a source", "nothing", fixed=None, last=None)
    server = Postgres(home, port)
    items = SourceBench(url=server.url, lake=Lake(str(tmp_path / "lake")))

    # Given a table that was extracted, and rows that changed since
    with running(server, home) as child:
        items.run(
            "CREATE TABLE items (id int PRIMARY KEY, name text, amount int)",
            f"INSERT INTO items SELECT g, 'name ' || g, 100 FROM generate_series(1, {ROWS}) g",
        )
        first = items.extract(SOURCE, columns=COLUMNS, pages=PAGES)
        items.run("UPDATE items SET amount = 3")
        killed = False

        def kill(rows: int, done: int, total: int) -> None:
            nonlocal killed
            if rows and not killed:
                killed = True
                postmaster = psutil.Process(child.pid)
                for process in [postmaster, *postmaster.children()]:
                    process.kill()

        # When the whole server is killed while it is read
        with pytest.raises(SourceUnavailable) as caught:
            items.extract(SOURCE, columns=COLUMNS, pages=PAGES, progress=kill)

    # Then it counts as something that passes, and what was extracted before is still what is used
    assert killed
    assert isinstance(caught.value, TransientError)
    ledger = Ledger(lake=items.lake, table="items", definition=SOURCE.definition(COLUMNS))
    assert ledger.head() == first.manifest

    # And once the server is back the next attempt reads the rows as they are
    with running(server, home):
        found = items.extract(SOURCE, columns=COLUMNS, pages=PAGES)
        assert items.equals(found.manifest, "SELECT id, name, amount FROM items")
        assert not items.extract(SOURCE, columns=COLUMNS, pages=PAGES).changed
