"""Everything together: three parts and four services under one supervisor."""

from __future__ import annotations

import json
import signal

import psutil
import pytest
from tests.running import child_pids, is_running
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.spark]

SERVICES = ("scheduler", "worker", "exporter", "console")


def test_services_report_restart_and_stop_before_what_they_stand_on(parts):
    status = parts.status()
    assert [part["name"] for part in status["parts"]] == [
        "postgres",
        "valkey",
        "engine",
        "scheduler",
        "worker",
        "exporter",
        "console",
    ]
    assert {part["state"] for part in status["parts"]} == {"ready"}
    assert all(p["last_heartbeat"] for p in status["parts"] if p["kind"] == "service")

    # Then the doctor finds nothing broken, down to a job on the engine, and health checks pass
    examined = parts.json("doctor")
    assert {f["part"] for f in examined["findings"] if f["part"] == "engine"} == {"engine"}
    assert [f for f in examined["findings"] if f["grade"] == "error"] == []
    for name in SERVICES:
        parts.muster("system", "status", "--of", name)

    # When a service is killed, then another process takes its place
    for name in SERVICES:
        old = parts.kill(name)
        parts.wait_until_ready(name, other_than=old)
        assert parts.part(name)["restarts"] == 1

    # When everything is stopped, then services end first, by themselves, and nothing stays
    everybody = child_pids(status["pid"])
    parts.down()
    eventually(lambda: not any(is_running(pid) for pid in everybody), 10)
    events = [json.loads(line) for line in parts.log("up").splitlines() if '"child"' in line]
    stopped = [event["name"] for event in events if event["state"] == "stopped"]
    assert set(stopped[:4]) == set(SERVICES)
    assert stopped[4:] == ["engine", "valkey", "postgres"]


@pytest.mark.long
def test_no_service_survives_a_killed_supervisor(parts):
    supervisor = parts.supervisor_pid()
    everybody = child_pids(supervisor)
    assert len(everybody) >= 7
    psutil.Process(supervisor).send_signal(signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in everybody), 15)
