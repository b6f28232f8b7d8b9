from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from tests.conftest import _named

from muster_console.checkup.finding import Finding, Grade
from muster_console.checkup.machine import check_settings
from muster_console.operation.doctor import examine, is_sound
from muster_console.operation.health import health_json, look_at_health, require_alive
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import PartUnavailable
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.process import record_process

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str, lake_url: str) -> Settings:
    return Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        lake_url=lake_url,
    )


@pytest.fixture
def workspace(settings: Settings) -> Iterator[Workspace]:
    with open_workspace(settings) as workspace:
        yield workspace


def found(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(f.part, f.check): f for f in findings}


def test_every_part_is_looked_at_and_what_is_wrong_says_how_to_mend_it(
    workspace: Workspace, redis_url: str
):
    server = redis.Redis.from_url(redis_url)
    server.config_set("maxmemory-policy", "allkeys-lru")
    try:
        looked = found(examine(workspace, engine=False))
    finally:
        server.config_set("maxmemory-policy", "noeviction")
        server.close()

    assert looked["redis", "maxmemory-policy"].grade is Grade.ERROR
    assert "noeviction" in looked["redis", "maxmemory-policy"].mend
    for part, check in (
        ("machine", "packages"),
        ("postgresql", "version"),
        ("postgresql", "migrations"),
        ("postgresql", "rights"),
        ("postgresql", "clock"),
        ("redis", "answers"),
        ("lake", "writing"),
        ("lake", "space"),
        ("settings", "contradictions"),
    ):
        assert looked[part, check].grade is not Grade.ERROR, looked[part, check]
    # no service runs here, and each is missed by name
    missed = " ".join(f.found for f in examine(workspace, engine=False) if f.part == "services")
    assert all(kind in missed for kind in ("scheduler", "worker", "exporter"))
    assert all(f.mend for f in looked.values() if f.grade is not Grade.OK)


def test_a_collection_that_failed_or_is_missed_is_told(workspace: Workspace):
    def looked() -> Finding:
        return found(examine(workspace, engine=False))["collection", "last"]

    def note(values: str) -> None:
        with transaction(workspace.database) as connection:
            connection.exec_driver_sql(f"UPDATE collector SET {values}")  # noqa: S608

    assert looked().grade is Grade.OK
    note("finished_at = clock_timestamp()")
    assert looked().grade is Grade.OK
    note("finished_at = clock_timestamp() - interval '4 days'")
    assert looked().grade is Grade.WARNING
    note("error_class = 'store_damaged', error = 'The lake has no file x.'")
    assert "has no file x" in looked().found


def test_a_database_without_the_schema_is_told_to_migrate(settings: Settings, postgres_url: str):
    bare = settings.model_copy(update={"database_url": SecretStr(_named(postgres_url, "postgres"))})
    with open_workspace(bare) as workspace:
        looked = found(examine(workspace, engine=False))

    assert looked["postgresql", "migrations"].mend == "Run `muster system migrate`."


def test_parts_that_do_not_answer_stop_no_other_check(settings: Settings):
    gone = settings.model_copy(
        update={
            "database_url": SecretStr("postgresql://nobody:secret@127.0.0.1:1/none"),
            "redis_url": SecretStr("redis://:secret@127.0.0.1:1/0"),
        }
    )
    with open_workspace(gone) as workspace:
        findings = examine(workspace, engine=False)

    looked = found(findings)
    assert not is_sound(findings)
    assert looked["postgresql", "answers"].grade is Grade.ERROR
    assert looked["redis", "answers"].grade is Grade.ERROR
    assert looked["lake", "writing"].grade is Grade.OK
    assert "secret" not in str(findings)


def test_settings_that_contradict_each_other_are_named(settings: Settings):
    odd = settings.model_copy(
        update={"backoff_seconds": 100.0, "backoff_max_seconds": 10.0, "sweep_seconds": 600.0}
    )

    said = " ".join(f.found for f in check_settings(odd))

    assert "MUSTER_BACKOFF_SECONDS" in said
    assert "MUSTER_SWEEP_SECONDS" in said


def test_health_is_told_by_work_and_signs_of_life(workspace: Workspace):
    with transaction(workspace.database) as connection:
        for kind in ("scheduler", "worker", "exporter"):
            record_process(connection, name=f"{kind} one", kind=kind, hinted=True)
    assert look_at_health(workspace).problems == ()
    require_alive(workspace, "worker")

    with transaction(workspace.database) as connection:
        connection.exec_driver_sql(
            "UPDATE process SET started_at = clock_timestamp() - interval '2 minutes',"
            " hinted_at = clock_timestamp() - interval '1 minute' WHERE kind = 'worker';"
            "UPDATE process SET seen_at = clock_timestamp() - interval '2 minutes'"
            " WHERE kind = 'exporter'"
        )

    health = look_at_health(workspace)
    assert [problem.split(":")[0] for problem in health.problems] == [
        "No worker has received a hint for 30 s",
        "No exporter has been heard of for 60 s",
    ]
    assert health_json(health)["oldest_pending"] is None
    with pytest.raises(PartUnavailable):
        require_alive(workspace, "exporter")
