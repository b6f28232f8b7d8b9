"""Schemathesis against the served API: no answer that the OpenAPI document does not declare, and no 5xx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save
from tests.integration.api.world import published_api

from muster_console.operation.access import create_person, create_token
from muster_core.security.role import Role

pytestmark = pytest.mark.integration

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
#: What is followed goes on until a run has ended; these have tests of their own.
FOLLOWED = r"(\}/progress|/events)$"


@pytest.fixture
def api(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path):
    with published_api(database, database_url, redis_url, tmp_path) as (opened, workspace, _):
        # small numbers are tried first: the token in use is not to be among those revoked
        with workspace.database.begin() as connection:
            connection.execute(sa.text("ALTER SEQUENCE api_token_id_seq RESTART WITH 1000000007"))
        create_person(workspace, "tester", Role.ADMINISTRATOR, members=True, password=None)
        token = create_token(workspace, "tester", "test", role=None, members=True)[1]
        opened.tokens["tester"] = token
        save(opened)
        opened.call("contributor", "POST", "/exports/crm/deliver")
        yield opened


def hold(api: Api, folder: Path, *options: str) -> None:
    """Send generated requests, and end with an error where an answer is not as it is described."""
    base = str(api.client.base_url).rstrip("/")
    # the description is made once: a busy machine takes longer than the ten seconds Schemathesis waits for it
    assert api.call("tester", "GET", "/openapi.json", timeout=120).is_success
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"{base}/api/v1/openapi.json",
            *("--header", f"Authorization: Bearer {api.tokens['tester']}"),
            *("--checks", CHECKS, "--exclude-path-regex", FOLLOWED),
            *("--request-timeout", "60", "--suppress-health-check", "all", "--no-color"),
            *("--wait-for-schema", "60", "--generation-database", "none", "--warnings", "off"),
            *("--generation-with-security-parameters", "false"),
            *options,
        ],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


def test_every_answer_is_declared_and_none_is_a_5xx(api: Api, tmp_path: Path) -> None:
    hold(api, tmp_path, "--phases", "fuzzing", "--max-examples", "2", "--seed", "7")


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
def test_every_answer_is_declared_whatever_is_sent(api: Api, tmp_path: Path, phases: str) -> None:
    hold(api, tmp_path, "--phases", phases, "--max-examples", "60", "--continue-on-failure")
