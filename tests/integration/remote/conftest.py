"""A server with something published, and the command line run against it and on its own machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save
from tests.integration.api.world import published_api

from muster_console.cli import main
from muster_console.operation.access import create_person, create_token
from muster_console.operation.workspace import Workspace
from muster_core.security.role import Role

Run = Callable[..., tuple[int, str]]

SEGMENT = """
name: old
rules:
  - where: {kind: attribute, column: age, compare: gt, value: 60}
"""


@pytest.fixture
def served(
    database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[tuple[Api, Workspace]]:
    with published_api(database, database_url, redis_url, tmp_path) as (api, workspace, _):
        save(api)
        api.call("contributor", "POST", "/exports/crm/deliver")
        create_person(workspace, "root", Role.ADMINISTRATOR, members=True, password=None)
        api.tokens["root"] = create_token(workspace, "root", "x", role=None, members=True)[1]
        yield api, workspace


@pytest.fixture
def run(served: tuple[Api, Workspace], monkeypatch, capsys, tmp_path: Path) -> Run:
    """Run a command there, or `here` on the machine itself; return its exit code and what it printed."""
    api, workspace = served
    settings = workspace.settings
    monkeypatch.setattr("muster_console.cli.configure_logging", lambda **_: None)

    def call(command: str, *more: str, here: bool = False, who: str = "root") -> tuple[int, str]:
        with monkeypatch.context() as patch:
            if here:
                patch.setenv("DATABASE_URL", settings.database())
                patch.setenv("REDIS_URL", settings.redis())
                patch.setenv("LAKE_URL", settings.lake())
                patch.setenv("MUSTER_HOME", str(settings.home))
            else:
                patch.setenv("MUSTER_HOME", str(tmp_path / "no-home"))
                patch.setenv("MUSTER_SERVER", str(api.client.base_url))
                patch.setenv("MUSTER_TOKEN", api.tokens[who])
            patch.setattr("sys.argv", ["muster", *command.split(), *more])
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0), capsys.readouterr().out

    return call
