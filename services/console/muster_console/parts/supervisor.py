"""``muster up``: start everything side by side, keep it running, stop it in order.

One thread starts every child and lives as long as they do, because a child is told to die with the
thread that started it: after ``kill -9`` of the supervisor nothing is left running.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from structlog.typing import FilteringBoundLogger

from muster_console.parts.deployment import Deployment, deployment_of
from muster_console.parts.home import Home
from muster_console.parts.journal import journal
from muster_console.parts.state import (
    ChildRecord,
    ChildState,
    HomeRecord,
    end_left_overs,
    only_supervisor,
    own_record,
    read_record,
    write_record,
)
from muster_console.parts.supervised import Supervised
from muster_core.errors import NoSpace, PartUnavailable
from muster_core.settings import Settings
from muster_core.storage.migrate import migrate

Listener = Callable[[HomeRecord], None]

_POLL_SECONDS = 0.1
_LOG_CHECK_SECONDS = 30.0


class Supervisor:
    """Runs one home until it is asked to stop; `listener` hears of every change."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self._settings = settings
        self._listener: Listener | None = listener
        self._since = time.time()
        self._stops_asked = 0
        self._told: HomeRecord | None = None
        self._children: list[Supervised] = []
        self._externals: tuple[ChildRecord, ...] = ()
        self._home = Home(settings.home)
        self._log: FilteringBoundLogger

    def run(self) -> None:
        """Start everything, keep it running until a signal asks to stop, and stop it.

        Raises:
            Conflict: everything runs already.
            MusterError: something cannot start; what had started is stopped again.
        """
        self._home.create()
        with (
            only_supervisor(self._home),
            journal(self._home.log / "up.log") as self._log,
            self._signals(),
        ):
            end_left_overs(read_record(self._home.path))
            deployment = deployment_of(self._settings)
            try:
                self._start(deployment)
                self._keep(deployment.parts.start_seconds)
            finally:
                self._stop(deployment)

    def _start(self, deployment: Deployment) -> None:
        for external in deployment.externals:
            external.check()
        self._externals = tuple(
            ChildRecord(
                name=external.name,
                kind="part",
                state=ChildState.EXTERNAL,
                address=external.address,
            )
            for external in deployment.externals
        )
        servers = [Supervised(part, "part", self._home) for part in deployment.servers]
        services = [Supervised(part, "service", self._home) for part in deployment.services()]
        self._children = [*reversed(servers), *services]
        self._launch(servers)
        # the engine needs longest and the services can do without it for a while: they start beside it
        self._await([s for s in servers if s.part.name != "engine"], deployment)
        if self._stops_asked:
            return
        migrate(deployment.sqlalchemy_url)
        deployment.publish()
        self._launch(services)
        self._await(self._children, deployment)
        if not self._stops_asked:
            self._tell("ready")

    def _launch(self, group: Iterable[Supervised]) -> None:
        for supervised in group:
            if self._stops_asked:
                return
            supervised.start()
            self._tell("starting")

    def _await(self, group: Sequence[Supervised], deployment: Deployment) -> None:
        """Wait until all of `group` are ready, while nothing that was started may die."""
        while not self._stops_asked:
            for supervised in self._children:
                supervised.check_start(deployment.parts.start_seconds)
            self._tell("starting")
            if all(supervised.state is ChildState.READY for supervised in group):
                return
            time.sleep(_POLL_SECONDS / 2)

    def _keep(self, start_seconds: float) -> None:
        next_log_check = 0.0
        while not self._stops_asked:
            for supervised in self._children:
                supervised.watch(start_seconds)
            well = all(supervised.state is ChildState.READY for supervised in self._children)
            self._tell("ready" if well else "degraded")
            if time.monotonic() > next_log_check:
                next_log_check = time.monotonic() + _LOG_CHECK_SECONDS
                for supervised in self._children:
                    supervised.cap_log()
            time.sleep(_POLL_SECONDS)

    def _stop(self, deployment: Deployment) -> None:
        """Stop services first, so that they can hand their work back, then what they stand on."""
        services = [child for child in self._children if child.kind == "service"]
        parts = {child.part.name: child for child in self._children if child.kind == "part"}
        try:
            self._stop_together(services)
            for name in ("engine", "valkey", "postgres"):
                if name in parts:
                    self._stop_together([parts[name]])
            deployment.withdraw()
            self._tell("stopped")
        finally:
            for supervised in self._children:
                supervised.kill()

    def _stop_together(self, group: list[Supervised]) -> None:
        for supervised in group:
            supervised.ask_to_stop()
        self._tell("stopping")
        for supervised in group:
            supervised.stop()
        self._tell("stopping")

    def _tell(self, state: str) -> None:
        children = tuple(supervised.record() for supervised in self._children)
        stop_seconds = sum(supervised.stop_seconds for supervised in self._children)
        record = own_record(
            state, self._since, (*self._externals, *children), stop_seconds=stop_seconds
        )
        if record == self._told:
            return
        told, self._told = self._told, record
        # a disk that filled up must not take down what runs: the files are old until they can be written,
        # and the reason stands in the status of the part that needed the space
        with suppress(NoSpace, PartUnavailable, OSError):
            self._log_changes(told, record)
            write_record(self._home, record)
        self._announce(record)

    def _announce(self, record: HomeRecord) -> None:
        if self._listener is None:
            return
        try:
            self._listener(record)
        except (OSError, SystemExit) as exc:
            # the terminal was closed, or the reader of a pipe ended: Rich ends the program then,
            # but what runs here must go on, and stop in order
            self._listener = None
            with suppress(OSError):
                self._log.warning("nobody reads the output any more", cause=type(exc).__name__)

    def _log_changes(self, told: HomeRecord | None, record: HomeRecord) -> None:
        before = {child.name: child.state for child in told.children} if told else {}
        for child in record.children:
            if before.get(child.name) != child.state:
                self._log.info(
                    "child", name=child.name, state=str(child.state), pid=child.pid, note=child.note
                )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            self._stops_asked += 1

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
