"""The worker's sign of life: its row in the table `process`, kept fresh by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from sqlalchemy import Engine

from muster_core.errors import PartUnavailable
from muster_core.storage.database import transaction
from muster_core.storage.process import record_process, remove_process
from muster_core.telemetry import get_logger

_SECONDS = 2.0


class Presence:
    """Signs the process on, says every few seconds what it does, and signs it off at the end."""

    def __init__(
        self,
        database: Engine,
        *,
        name: str,
        doing: Callable[[], str],
        hints: Callable[[], int] = lambda: 0,
    ) -> None:
        """Sign on as `name`; `doing` gives a short text without any data in it, `hints` how many came."""
        self._database = database
        self._name = name
        self._doing = doing
        self._hints = hints
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        try:
            with transaction(self._database) as connection:
                remove_process(connection, self._name)
        except PartUnavailable as exc:
            get_logger().warning("not signed off", error=exc.code)

    def _keep(self) -> None:
        known = 0
        while True:
            hints = self._hints()
            try:
                with transaction(self._database) as connection:
                    record_process(
                        connection,
                        name=self._name,
                        kind="worker",
                        doing=self._doing(),
                        hinted=hints > known,
                    )
            except PartUnavailable as exc:
                get_logger().warning("sign of life not written", error=exc.code)
            else:
                known = hints
            if self._done.wait(_SECONDS):
                return
