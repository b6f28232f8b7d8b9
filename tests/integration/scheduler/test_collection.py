from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_core.settings import Settings
from muster_scheduler.collection import CollectionWatch

pytestmark = pytest.mark.integration

COMMANDS = Path(__file__).parents[3] / "docs" / "operating.md"


def test_of_several_schedulers_one_collects_a_day(
    database: sa.Engine, database_url: str, lake_url: str, tmp_path: Path
):
    settings = Settings(
        home=tmp_path / "home", database_url=SecretStr(database_url), lake_url=lake_url
    )
    one, two = (CollectionWatch(database, settings, name=name) for name in ("one", "two"))
    assert one.look() is not None
    assert two.look() is None
    assert one.look() is None


def test_the_commands_of_the_page_collect(
    database_url: str, lake_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LAKE_URL", lake_url)
    stray = Path(lake_url) / "store" / "1" / "part-0.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    shown = [
        line[2:] for line in COMMANDS.read_text().splitlines() if "$ muster system coll" in line
    ]
    assert len(shown) == 2
    for line in shown:
        ended = CliRunner().invoke(app, line.split()[1:])
        assert ended.exit_code == 0, ended.output
    assert '"files_marked": 1' in ended.output
    assert stray.exists()
