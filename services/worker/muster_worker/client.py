"""The worker's one session on the engine: opened when first needed, kept over batches, made anew when it died."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from muster_core.errors import EngineUnavailable
from muster_core.telemetry import get_logger
from muster_worker.engine.session import close, connect, engine_address, engine_errors
from muster_worker.engine.shipment import ship_code

#: Who the engine takes Muster's workers for; a successor opens a dead worker's session under the same name.
USER = "muster"


class EngineClient:
    """Holds the session; only `interrupt` may be called from another thread."""

    def __init__(self, url: Callable[[], str]) -> None:
        """Use the engine that `url` names at each new session."""
        self._url = url
        self._session: SparkSession | None = None
        self.session_id = ""
        self.version = ""

    @property
    def address(self) -> str:
        """Return the engine's host and port."""
        return engine_address(self._url())

    def session(self, *, timeout_seconds: float = 30.0) -> SparkSession:
        """Return the living session; an engine that just starts gets `timeout_seconds` to answer.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        if not self.lives():
            self.discard()
        if self._session is None:
            self._session = self._open(timeout_seconds)
        return self._session

    def lives(self) -> bool:
        """Whether there is a session that the engine still knows."""
        if self._session is None:
            return False
        # the engine closes a session after an hour without work, and knows none after a restart
        try:
            with engine_errors():
                self._session.conf.get("spark.sql.session.timeZone")
        except EngineUnavailable:
            return False
        return True

    def _open(self, timeout_seconds: float) -> SparkSession:
        self.session_id = str(uuid.uuid4())
        session = connect(
            self._url(),
            session_id=self.session_id,
            user_id=USER,
            timeout_seconds=timeout_seconds,
        )
        try:
            with engine_errors():
                self.version = session.version
            ship_code(session)
        except BaseException:
            close(session)
            raise
        return session

    def discard(self) -> None:
        """Forget the session, and release it where the engine still knows it."""
        session, self._session = self._session, None
        if session is not None:
            close(session)

    def interrupt(self) -> None:
        """Stop whatever runs in the session."""
        session = self._session
        if session is None:
            return
        try:
            with engine_errors():
                session.interruptAll()
        except EngineUnavailable as exc:
            # an engine that is gone runs nothing
            get_logger().warning("interrupt not delivered", error=exc.code)

    def abandon(self) -> None:
        """Cut the connection: a call that waits for the engine's answer ends with an error."""
        session = self._session
        if session is not None:
            connected: Any = session
            connected.client.close()
