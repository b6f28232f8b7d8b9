"""`muster doctor`: looks at every part and setting, and says how to mend what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from muster_console.checkup.carrier import check_redis
from muster_console.checkup.database import check_database
from muster_console.checkup.finding import Finding, Grade, error, fine, warning
from muster_console.checkup.machine import check_folders, check_settings, check_versions
from muster_console.operation.health import look_at_health
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.errors import MusterError
from muster_core.storage.collection import last_collection
from muster_core.storage.database import database_time, transaction
from muster_core.telemetry import redact

#: Starting a session and one job, on an engine that has nothing ready.
_PROBE_SECONDS = 150

#: So many collections may be missed: schedulers are stopped now and then.
_MISSED = 3


@over("GET", "/system/doctor", at="findings")
def examine(workspace: Workspace, *, engine: bool = True) -> list[Finding]:
    """Look at everything; a part that does not answer is a finding of its own and stops no other check.

    `engine` says whether to run a job on the engine, which takes some seconds.
    """
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("machine", check_versions),
        ("settings", lambda: check_settings(workspace.settings)),
        ("postgresql", lambda: check_database(workspace)),
        ("redis", lambda: check_redis(workspace)),
        ("lake", lambda: check_folders(workspace)),
        ("collection", lambda: _collection(workspace)),
        ("services", lambda: _services(workspace)),
    ]
    if engine:
        checks.append(("engine", lambda: _engine(workspace)))
    return [finding for part, check in checks for finding in _safely(part, check)]


def is_sound(findings: Iterable[Finding]) -> bool:
    """Return whether nothing is broken; warnings are no reason to say no."""
    return all(finding.grade is not Grade.ERROR for finding in findings)


def _safely(part: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except MusterError as exc:
        yield error(part, "answers", exc.message, exc.hint or "Look at `muster status`.")
    except SQLAlchemyError as exc:
        # its text holds statements; what is wrong with the schema is a finding of its own
        yield error(part, "answers", type(exc).__name__, "Run `muster system migrate`.")
    except OSError as exc:
        yield error(part, "answers", exc.strerror or type(exc).__name__, "Look at rights and disk.")


def _collection(workspace: Workspace) -> Iterator[Finding]:
    with transaction(workspace.database) as connection:
        last, now = last_collection(connection), database_time(connection)
    mend = "See what `muster system collect` says, and the scheduler's log."
    if last["error_class"] is not None:
        yield warning("collection", "last", f"the last one failed: {last['error']}", mend)
    elif last["finished_at"] is None:
        yield fine("collection", "last", "none yet")
    elif now - last["finished_at"] > _MISSED * timedelta(hours=workspace.settings.collect_hours):
        yield warning("collection", "last", f"none since {last['finished_at']}", mend)
    else:
        yield fine("collection", "last", f"ended {last['finished_at']}")


def _services(workspace: Workspace) -> Iterator[Finding]:
    health = look_at_health(workspace)
    for problem in health.problems:
        found, _, mend = problem.partition(": ")
        yield warning("services", "work", found, mend)
    if health.healthy:
        kinds = [process.kind for process in health.processes]
        shown = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        yield fine("services", "work", shown)


def _engine(workspace: Workspace) -> Iterator[Finding]:
    """Let the worker's own probe run: only the worker speaks with the engine."""
    workspace.settings.engine_url()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "muster_worker.engine.probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        # what is logged on the way stands before it
        report = json.loads((done.stdout.strip().splitlines() or [""])[-1])
    except subprocess.TimeoutExpired:
        yield error(
            "engine", "job", f"no answer in {_PROBE_SECONDS} s", "Restart it, or look at its log."
        )
        return
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        yield error("engine", "job", redact(last)[:300], "Look at the engine's log.")
        return
    yield from _reported(report)


def _reported(report: dict[str, object]) -> Iterator[Finding]:
    problems = report.get("problems")
    said = [str(problem) for problem in problems] if isinstance(problems, list) else []
    for problem in said:
        yield error("engine", "executors", problem, "See docs/operating.md, the engine.")
    if not said:
        yield fine("engine", "job", f"Spark {report.get('spark')} at {report.get('address')}")
