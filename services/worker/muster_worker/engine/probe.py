"""What the engine's executors are like: Python and package versions, and whether they reach the lake.

``python -m muster_worker.engine.probe`` prints the report as JSON; its exit code is 1 where something is wrong.
"""

from __future__ import annotations

import json
import platform
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version

from pyspark.sql import SparkSession

from muster_core.errors import EngineUnavailable, MusterError, TerminalError
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_worker.engine.inspection import PACKAGES, inspection_task
from muster_worker.engine.session import close, connect, engine_address, engine_errors
from muster_worker.engine.shipment import ship_code

#: What the tasks look for in the lake.
MARKER = "probe/marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorReport:
    """One kind of Python worker that was found on the engine; `tasks` of the probe ran in such a one."""

    host: str
    python: str
    packages: dict[str, str]
    #: Why the lake cannot be used from there; empty where it can.
    lake: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """The engine as it is now; `problems` say what to do, and are empty where all is well."""

    address: str
    spark: str
    code_sent: bool
    executors: tuple[ExecutorReport, ...]
    problems: tuple[str, ...]


def probe_engine(settings: Settings, *, timeout_seconds: float = 60.0) -> EngineReport:
    """Run one small job on every core of the engine and report what it found.

    Raises:
        EngineUnavailable: nothing answers, the token is refused, or no executor takes the job in time.
        MusterError: this process cannot use the lake itself.
        TerminalError: the executors' Python cannot run any task; the message says what it lacks.
    """
    url = settings.engine_url()
    lake = Lake(settings.lake())
    content = uuid.uuid4().hex
    lake.write_bytes(MARKER, content.encode())
    spark = connect(url, session_id=str(uuid.uuid4()), timeout_seconds=min(30.0, timeout_seconds))
    try:
        sent = ship_code(spark)
        with engine_errors():
            spark_version = spark.version
        with _time_limit(spark, timeout_seconds):
            executors = _inspect(spark, lake, content)
    finally:
        close(spark)
    return EngineReport(
        address=engine_address(url),
        spark=spark_version,
        code_sent=sent,
        executors=executors,
        problems=tuple(_problems(executors)),
    )


def _inspect(spark: SparkSession, lake: Lake, content: str) -> tuple[ExecutorReport, ...]:
    task = inspection_task(lake.url, MARKER, content)
    found: dict[str, int] = {}
    with _explained(), engine_errors():
        # as many tasks as the engine has cores
        rows = spark.range(1 << 16).mapInArrow(task, "report string").collect()
    for row in rows:
        found[row["report"]] = found.get(row["report"], 0) + 1
    return tuple(ExecutorReport(**json.loads(text), tasks=found[text]) for text in sorted(found))


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to do about the reasons for which no task runs at all."""
    try:
        yield
    except TerminalError as exc:
        text = str(exc.__cause__)
        hint = "Give the executors the packages of infra/executor-requirements.txt, see docs/cluster.md."
        if "PYTHON_VERSION_MISMATCH" in text:
            here = ".".join(platform.python_version_tuple()[:2])
            raise TerminalError(
                "The executors have another Python than this worker.",
                hint=f"Give them Python {here}, and name it in MUSTER_ENGINE_PYTHON.",
            ) from exc
        if "Cannot run program" in text:
            raise TerminalError(
                "The executors have no such Python as the engine names.",
                hint="Correct MUSTER_ENGINE_PYTHON (PYSPARK_PYTHON of the Spark Connect server).",
            ) from exc
        raise TerminalError(exc.message, hint=hint) from exc


@contextmanager
def _time_limit(spark: SparkSession, seconds: float) -> Iterator[None]:
    """Interrupt what runs in the session after `seconds`.

    Raises:
        EngineUnavailable: it was interrupted.
    """
    over = threading.Event()

    def stop() -> None:
        over.set()
        with engine_errors():
            spark.interruptAll()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except EngineUnavailable as exc:
        if not over.is_set():
            raise
        raise EngineUnavailable(
            f"The engine ran no task within {seconds:g} s.",
            hint="Look whether its executors start and are free: the master's and workers' logs say why not.",
        ) from exc
    finally:
        timer.cancel()


def _problems(executors: tuple[ExecutorReport, ...]) -> Iterator[str]:
    for executor in executors:
        for name in PACKAGES:
            here, there = version(name), executor.packages.get(name)
            if there is None:
                yield f"Executors on {executor.host} have no {name}; install {name}=={here}."
            elif there.split(".")[0] != here.split(".")[0]:
                yield f"Executors on {executor.host} have {name} {there}; install {name}=={here}."
        if executor.lake:
            yield f"Executors on {executor.host} cannot use the lake: {executor.lake}"


def main() -> None:
    """Probe the engine of this environment."""
    try:
        report = probe_engine(Settings())
    except MusterError as exc:
        print(json.dumps({"error": exc.code, "problems": [str(exc)]}))  # noqa: T201
        sys.exit(1)
    print(json.dumps(asdict(report)))  # noqa: T201
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
