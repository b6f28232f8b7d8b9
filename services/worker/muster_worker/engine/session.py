"""Sessions on the engine: open one within a time limit, stop what a dead client left, name errors.

Every call to Spark stands inside `engine_errors`, so the rest of the worker sees Muster's errors only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import grpc
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import SparkSession
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession

from muster_core import errors
from muster_core.errors import EngineUnavailable, MusterError, NoSpace, TerminalError
from muster_core.telemetry import redact

#: A call is tried again within about 2 seconds; an engine takes longer to come back than any retry here.
_RETRY = DefaultPolicy(max_retries=3, initial_backoff=100, max_backoff=2000)

_LOST_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNAUTHENTICATED,
}
# NO_ACTIVE_SESSION is what PySpark makes of SESSION_CHANGED: it closes the client before it asks for details
_LOST_TEXT = re.compile(
    r"INVALID_HANDLE|NO_ACTIVE_SESSION|OPERATION_CANCELED|SESSION_CLOSED|SESSION_CHANGED|RETRIES_EXCEEDED"
    r"|stopped SparkContext|SparkContext was shut down|UNAUTHENTICATED|Connection re(set|fused)"
)
# a session that was closed before cannot be opened again under its name
_CLOSED_TEXT = "SESSION_CLOSED"
_NO_SPACE = re.compile(r"No space left on device|ENOSPC|Errno 28")
_PYTHON_ERROR = re.compile(r"[\w.]+(Error|Exception|Interrupt)\b")
_RAISED_IN_TASK = re.compile(r"muster_core\.errors\.(\w+): (.*)")


def connect(
    url: str,
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    timeout_seconds: float = 30.0,
) -> SparkSession:
    """Open a session on the engine at `url` (``sc://host:port/;token=...``).

    `session_id` and `user_id` name a session that another process may open again to stop its work.

    Raises:
        EngineUnavailable: nothing answers within `timeout_seconds`, or the token is refused.
    """
    # an engine that comes back is found within half a second, not after a doubled wait
    options = [("grpc.initial_reconnect_backoff_ms", 500), ("grpc.max_reconnect_backoff_ms", 500)]
    builder = DefaultChannelBuilder(
        _with_parameters(url, session_id=session_id, user_id=user_id), options
    )
    _wait_for(builder, url, timeout_seconds)
    # pyspark.sql.functions looks here to know which kind of session its columns are for
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    with engine_errors():
        session = ConnectSession.builder.channelBuilder(builder).create()
        session.client.set_retry_policies([_RETRY])
        # the first call that proves more than an open port: token and Spark's version
        _ = session.version
    return session  # type: ignore[return-value]


def interrupt_left_over(url: str, session_id: str, user_id: str) -> None:
    """Stop everything that a dead client of this session left running; nothing running is fine.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    try:
        session = connect(url, session_id=session_id, user_id=user_id)
    except EngineUnavailable as exc:
        if _CLOSED_TEXT in exc.message:
            return  # somebody has closed the session, which ends what it ran
        raise
    try:
        with engine_errors():
            session.interruptAll()
    finally:
        close(session)


def close(session: SparkSession) -> None:
    """Release `session` here and in the engine; an engine that is gone already is fine."""
    try:
        with engine_errors():
            session.stop()
    except EngineUnavailable:
        return


def engine_address(url: str) -> str:
    """Return host and port of an engine's `url`, without its token."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 15002}"


@contextmanager
def engine_errors() -> Iterator[None]:
    """Translate what Spark raises into Muster's errors.

    Raises:
        EngineUnavailable: the engine is gone, restarted, or the operation was interrupted.
        NoSpace: a disk of the engine is full.
        MusterError: the error a task raised, under its own class.
        TerminalError: anything else the engine says about the work itself.
    """
    try:
        yield
    except grpc.RpcError as exc:
        raise EngineUnavailable(
            f"The engine does not answer: {_first_line(exc)}.",
            hint="Its log is <home>/log/engine.log; `muster status` shows whether it runs.",
        ) from exc
    except PySparkException as exc:
        raise _translate(exc) from exc


def _translate(exc: PySparkException) -> MusterError:
    text = str(exc)
    raised = _RAISED_IN_TASK.findall(text)
    if raised:
        return _error_named(*raised[-1])
    if _NO_SPACE.search(text):
        return NoSpace("There is no space left on a disk of the engine.")
    code = exc.getGrpcStatusCode() if isinstance(exc, SparkConnectGrpcException) else None
    if code in _LOST_CODES or _LOST_TEXT.search(text):
        return EngineUnavailable(f"The engine gave up this session: {_first_line(exc)}.")
    return TerminalError(f"The engine could not do the work: {_cause(text)}")


def _error_named(name: str, message: str) -> MusterError:
    found = getattr(errors, name, None)
    if not (isinstance(found, type) and issubclass(found, MusterError)):
        return TerminalError(message)
    if issubclass(found, errors.InvalidInput):
        return TerminalError(message)
    return found(message)


def _cause(text: str) -> str:
    """Return the line that names the Python error of a task, else the first line."""
    lines = [line.strip() for line in text.partition("\n\nJVM stacktrace")[0].splitlines()]
    lines = [line for line in lines if line]
    if "An exception was thrown from the Python worker" in text:
        lines = [line for line in lines if _PYTHON_ERROR.match(line)][-1:] or lines
    return redact(lines[0] if lines else "it gave no reason")[:500]


def _first_line(exc: Exception) -> str:
    text = (exc.details() if isinstance(exc, grpc.Call) else None) or str(exc)
    # Spark hands on gRPC's own description, whose one useful line is this
    details = re.search(r'details = "(.*)"', text)
    lines = (details[1] if details else text).strip().splitlines()
    return redact(lines[0] if lines else type(exc).__name__)[:300].rstrip(".")


def _wait_for(builder: DefaultChannelBuilder, url: str, timeout_seconds: float) -> None:
    channel = builder.toChannel()
    try:
        grpc.channel_ready_future(channel).result(timeout=timeout_seconds)
    except grpc.FutureTimeoutError as exc:
        raise EngineUnavailable(
            f"No engine answers at {engine_address(url)} within {timeout_seconds:g} s.",
            hint="Start it with `muster up`, or set ENGINE to a running Spark Connect server.",
        ) from exc
    finally:
        channel.close()


def _with_parameters(url: str, **parameters: str | None) -> str:
    # gRPC sends a token over plain text to the name `localhost` only; an address makes it ask for TLS
    url = url.replace("sc://127.0.0.1:", "sc://localhost:", 1)
    given = "".join(f";{name}={value}" for name, value in parameters.items() if value)
    if not given:
        return url
    return f"{url.rstrip(';')}{given}" if "/;" in url else f"{url.rstrip('/')}/{given}"
