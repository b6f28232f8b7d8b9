"""A PostgreSQL table extracted into a lake in an object store: changes arrive, numbers are given once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.extract.conftest import SourceBench
from tests.object_store import AzureServer, S3Server

from muster_core.errors import SnapshotMoved
from muster_core.extract.document import PostgresSource
from muster_core.lake.location import Lake

pytestmark = pytest.mark.integration

ITEMS = PostgresSource.model_validate({"connection": "SHOP", "table": "items"})


@pytest.fixture(params=["s3", "azure"])
def remote(
    request: pytest.FixtureRequest, source: SourceBench, monkeypatch: pytest.MonkeyPatch
) -> SourceBench:
    """The source, beside an empty lake in an object store."""
    server: S3Server | AzureServer = request.getfixturevalue(f"{request.param}_server")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    if isinstance(server, S3Server):
        return replace(source, lake=Lake(f"s3://{server.bucket()}/lake"))
    return replace(source, lake=Lake(f"abfs://{server.container()}@{server.account}/lake"))


def test_changes_arrive_and_what_is_no_longer_named_goes(remote: SourceBench) -> None:
    remote.run(
        "CREATE TABLE items (id bigint PRIMARY KEY, name text)",
        "INSERT INTO items SELECT g, 'name ' || g FROM generate_series(1, 500) g",
    )
    first = remote.extract(ITEMS)
    assert remote.equals(first.manifest, "SELECT id, name FROM items")
    with pytest.raises(SnapshotMoved):
        remote.ledger(ITEMS).publish(first.manifest)
    for round_number in range(3):
        remote.run(
            f"UPDATE items SET name = 'new {round_number}' WHERE id % 7 = {round_number}",  # noqa: S608
            f"DELETE FROM items WHERE id % 11 = {round_number}",  # noqa: S608
        )
        found = remote.extract(ITEMS)
        assert found.changed
        assert remote.equals(found.manifest, "SELECT id, name FROM items")
    again = remote.extract(ITEMS)
    assert (again.changed, again.read_rows) == (False, 0)
    numbers = remote.ledger(ITEMS).numbers()
    assert 1 <= len(numbers) <= 3
    files = [entry.path for entry in remote.lake.entries("sources")]
    assert len([path for path in files if "manifest-" in path]) <= len(numbers)
    assert {f.path for f in again.manifest.files} <= set(files)
