"""The database's disk fills up while Muster runs: it says so, nothing half is there, and it recovers by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from tests.chaos import disk
from tests.chaos.invariants import unsettled, violations
from tests.running import Parts
from tests.shop import many_segments, write_shop
from tests.waiting import eventually

from muster_core.errors import PartUnavailable
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.run import request_refresh

pytestmark = [pytest.mark.chaos, pytest.mark.long]

MEGABYTES = 200
RECOVERY_SECONDS = 30


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    if not disk.mount(home / "postgres", MEGABYTES):
        pytest.skip("mounting a small file system is not permitted here")
    try:
        with Parts(home) as parts:
            yield parts
    finally:
        disk.unmount(home / "postgres")


def test_a_disk_that_fills_up_under_the_database_stops_the_work_and_nothing_more(
    parts: Parts, tmp_path: Path
):
    shop = write_shop(tmp_path / "shop", customers=1_000, orders=5_000)
    segments = tmp_path / "segments.yaml"
    segments.write_text(yaml.safe_dump_all(many_segments(5)))
    parts.muster("catalog", "apply", str(shop.catalog))
    parts.muster("segment", "apply", str(segments))
    parts.muster("segment", "refresh", "--all", "--wait")
    addresses = parts.addresses()
    settings = Settings(database_url=SecretStr(addresses["database_url"]))
    database = open_database(settings.database(), application="chaos")

    def ask() -> list[int]:
        with transaction(database) as connection:
            return [run.run_id for run in request_refresh(connection, names=None, actor="chaos")]

    def refused() -> str | None:
        try:
            ask()
        except PartUnavailable as exc:
            return str(exc)
        return None

    folder = parts.home / "postgres"
    try:
        disk.fill(folder)
        said = eventually(refused, 120, every=0.01)
        answer = parts.muster("segment", "apply", str(segments), check=False)
    finally:
        disk.empty(folder)
    since = time.monotonic()
    assert said is not None
    assert "PostgreSQL" in said
    assert answer.code != 0 or "unchanged" in answer.out

    runs: list[int] = []

    def asked() -> bool:
        try:
            runs[:] = ask()
        except PartUnavailable:
            return False
        return True

    eventually(asked, RECOVERY_SECONDS)

    def ended() -> bool:
        with transaction(database) as connection:
            return unsettled(connection) == 0

    eventually(ended, since + RECOVERY_SECONDS - time.monotonic())
    with transaction(database) as connection:
        assert violations(connection, Lake(addresses["lake_url"])) == []
    database.dispose()
