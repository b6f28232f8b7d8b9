"""Waiting for runs nobody works on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from muster_console.cli.waiting import follow
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.refresh import has_worker, refresh_segments
from muster_console.operation.saving import apply_segments
from muster_console.operation.workspace import open_workspace
from muster_core.errors import PartUnavailable
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.process import process_name, record_process

pytestmark = pytest.mark.integration
CATALOG = "version: 1\nprofile: {table: customers, key: id, source: {parquet: customers.parquet}}\n"


def test_waiting_ends_in_time_and_says_once_that_no_worker_lives(
    database_url: str,
    redis_url: str,
    lake_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "customers.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    (tmp_path / "segment.yaml").write_text("name: all\nrules: [{where: {kind: everyone}}]\n")
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), lake_url=lake_url
    )
    with open_workspace(settings) as workspace:
        apply_catalog(workspace, tmp_path / "catalog.yaml")
        apply_segments(workspace, tmp_path / "segment.yaml")
        runs = [run.run_id for run in refresh_segments(workspace, None)]

        def wait() -> str:
            with pytest.raises(PartUnavailable, match="1 of 1 runs have not ended in time"):
                follow(workspace, runs, wait=True, deliveries=True, timeout=0.6, json=True)
            said = capsys.readouterr()
            assert said.out == ""
            return said.err

        assert wait().count("No worker has been heard of") == 1
        with transaction(workspace.database) as connection:
            record_process(connection, name=process_name("worker"), kind="worker")
        assert has_worker(workspace)
        assert "No worker" not in wait()
