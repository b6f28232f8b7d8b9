"""The system schedule, as commands change it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from muster_console.operation.system import (
    borrowed_system_schedule,
    get_system_schedule,
    set_system_schedule,
)
from muster_console.operation.workspace import open_workspace
from muster_core.settings import Settings

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("cron", [None, "0 6 * * *"])
def test_a_borrowed_schedule_is_given_back_as_it_was(
    database_url: str, lake_url: str, tmp_path: Path, cron: str | None
) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr(database_url), lake_url=lake_url)
    with open_workspace(settings) as workspace:
        before = set_system_schedule(workspace, cron=cron, timezone="Europe/Berlin").schedule
        with borrowed_system_schedule(workspace, cron="* * * * *"):
            assert get_system_schedule(workspace).schedule.cron == "* * * * *"
        assert get_system_schedule(workspace).schedule == before
