"""The tests' own way to run commands and look at processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import Muster
from tests.running import Parts, is_running
from tests.waiting import eventually

REAL = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/real",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ENGINE": "sc://127.0.0.1:1",
    "LAKE_URL": "/real",
    "MUSTER_SERVICES": "none",
}


@pytest.mark.parametrize("runner", ["parts", "muster"])
def test_no_command_of_a_test_reaches_a_deployment_the_environment_names(
    runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    seen: list[dict[str, str]] = []

    def run(*_: object, env: dict[str, str], **__: object) -> subprocess.CompletedProcess[str]:
        seen.append(env)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    if runner == "parts":
        Parts(tmp_path / "home").muster("status")
    else:
        Muster(home=tmp_path / "home", folder=tmp_path)("status")
    (environment,) = seen
    assert environment["MUSTER_HOME"] == str(tmp_path / "home")
    assert set(environment) & set(REAL) == set()
    assert "PATH" in environment


def test_a_zombie_does_not_run() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        eventually(lambda: not is_running(process.pid))
    finally:
        process.wait()
