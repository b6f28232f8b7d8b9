from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from pydantic import SecretStr
from tests.chaos.invariants import unsettled, violations
from tests.running import Parts
from tests.shop import many_segments, write_shop
from tests.waiting import eventually

from muster_core.errors import PartUnavailable
from muster_core.lake.location import Lake
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.run import request_refresh

#: From a fault until everything has ended well: the lease and 15 s.
LEASE_SECONDS = 6.0
RECOVERY_SECONDS = LEASE_SECONDS + 15.0
#: An undisturbed batch ends within this time, unless other work takes the processors.
USUAL_SECONDS = 5.0
SEGMENTS = 60
PARTITIONS = 16

#: Eight waves of tasks on two cores: when the first files are there, most of the job is still to come.
ENVIRONMENT = {"MUSTER_PARTITIONS": str(PARTITIONS), "MUSTER_ENGINE_CORES": "2"}

#: How many batches may pass too fast to be hurt in the middle.
_TRIES = 5
_MISSED: Mapping[str, Any] = {"missed": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running Muster with segments, to be hurt."""

    parts: Parts
    #: How much longer than usual things take here; 0 unless the machine is overloaded.
    allowance_seconds: float
    settings: Settings
    database: sa.Engine
    lake: Lake

    def rows(self, statement: str, **given: Any) -> list[dict[str, Any]]:
        with transaction(self.database) as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), given).mappings()]

    def request(self) -> list[int]:
        """Queue a run of every segment, as a schedule does, and return their ids."""
        with transaction(self.database) as connection:
            return [run.run_id for run in request_refresh(connection, names=None, actor="chaos")]

    def hint(self) -> bool:
        """Wake a worker, as whoever queues runs does; return whether Redis took the hint."""
        return send_hint(self.settings, Hint.REFRESH)

    def middle_of_a_batch(self) -> tuple[list[int], Mapping[str, Any]]:
        """Queue a run of every segment and wait until tasks of their batch have written files, and others not.

        Returns:
            The runs' ids and the batch. A batch too fast to be met in the middle is let go, for another.
        """
        for _ in range(_TRIES):
            runs = self.request()
            batch = eventually(partial(self._met, runs), 60, every=0.01)
            if batch is not None and batch is not _MISSED:
                return runs, batch
            eventually(lambda: not self.rows(_WAITING), 60)
        raise AssertionError(f"{_TRIES} batches were too fast to be met in the middle")

    def _met(self, runs: list[int]) -> Mapping[str, Any] | None:
        """Return the batch of `runs` in its middle, `_MISSED` where that is past, None where it is to come."""
        found = self.rows(
            """SELECT b.* FROM batch b
                WHERE EXISTS (SELECT 1 FROM refresh_run r
                               WHERE r.batch_id = b.id AND r.id = ANY(:runs))
                ORDER BY b.id DESC LIMIT 1""",
            runs=runs,
        )
        if not found:
            return None
        files = self.files(found[0])
        if found[0]["state"] != "running" or files >= PARTITIONS - 2:
            return _MISSED
        return found[0] if files and found[0]["engine_jobs"] else None

    def files(self, batch: Mapping[str, Any]) -> int:
        """Return how many files the tasks of `batch` have written."""
        folders = self.lake.root.glob(f"matrix/batch-{batch['id']}-{batch['fence']}-*")
        return sum(1 for folder in folders for _ in folder.glob("part-*"))

    def wait_for_the_end(self, since: float) -> float:
        """Wait until no run is unsettled, at most until lease + 15 s after `since`; return the seconds.

        Only where an undisturbed batch already took longer than it should, there is an allowance.
        """

        def ended() -> bool:
            try:
                with transaction(self.database) as connection:
                    return unsettled(connection) == 0
            except PartUnavailable:
                return False

        eventually(ended, since + RECOVERY_SECONDS + self.allowance_seconds - time.monotonic())
        return time.monotonic() - since

    def assert_published_once(self, runs: list[int]) -> None:
        found = self.rows(
            """SELECT r.state, r.error, count(v.run_id) AS versions
                 FROM refresh_run r LEFT JOIN membership_version v ON v.run_id = r.id
                WHERE r.id = ANY(:runs) GROUP BY r.id""",
            runs=runs,
        )
        assert len(found) == SEGMENTS
        assert {(row["state"], row["versions"], row["error"]) for row in found} == {
            ("published", 1, None)
        }

    def assert_all_invariants(self) -> None:
        with transaction(self.database) as connection:
            assert violations(connection, self.lake) == []


@pytest.fixture(scope="package")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("chaos")
    shop = write_shop(folder / "shop", customers=20_000, orders=100_000)
    segments = folder / "segments.yaml"
    segments.write_text(yaml.safe_dump_all(many_segments(SEGMENTS)))
    with Parts(folder / "home", ENVIRONMENT) as parts:
        parts.muster("catalog", "apply", str(shop.catalog))
        parts.muster("segment", "apply", str(segments))
        addresses = parts.addresses()
        settings = Settings(
            home=Path(parts.home),
            database_url=SecretStr(addresses["database_url"]),
            redis_url=SecretStr(addresses["redis_url"]),
        )
        database = open_database(settings.database(), application="chaos")
        target = Target(
            parts=parts,
            settings=settings,
            database=database,
            lake=Lake(addresses["lake_url"]),
            allowance_seconds=0.0,
        )
        try:
            for _ in ("prepares the store", "shows how long a batch takes"):
                began = time.monotonic()
                runs = target.request()
                eventually(lambda: not target.rows(_WAITING), 180)
                target.assert_published_once(runs)
            usual = time.monotonic() - began
            yield replace(target, allowance_seconds=8 * max(0.0, usual - USUAL_SECONDS))
        finally:
            database.dispose()


_WAITING = "SELECT 1 FROM refresh_run WHERE state IN ('pending', 'running', 'evaluated')"
