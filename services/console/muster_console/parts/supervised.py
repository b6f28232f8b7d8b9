"""One child under supervision: started, watched, restarted with back-off, stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass

from muster_console.parts.child import Child, cap_log
from muster_console.parts.home import Home
from muster_console.parts.part import Part
from muster_console.parts.running import died_at_start, too_slow
from muster_console.parts.state import ChildRecord, ChildState
from muster_core.errors import MusterError

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
#: After this long without a fall the next one counts as the first.
CALM_SECONDS = 60.0


@dataclass(slots=True)
class Supervised:
    """A part or service together with its present process; all times are `time.monotonic`."""

    part: Part
    kind: str
    home: Home
    state: ChildState = ChildState.WAITING
    child: Child | None = None
    restarts: int = 0
    note: str = ""
    _pause: float = FIRST_PAUSE_SECONDS
    _start_at: float = 0.0
    _started: float = 0.0

    @property
    def stop_seconds(self) -> float:
        """How long `stop` waits for an orderly end."""
        return 0.0 if self.child is None else self.child.stop_seconds

    def start(self) -> None:
        """Start the process."""
        self.part.prepare()
        self._started = time.monotonic()
        self.child = Child(
            self.part.name, self.part.launch(), self.home.log / f"{self.part.name}.log"
        )
        self.state = ChildState.STARTING

    def check_start(self, start_seconds: float) -> None:
        """Look whether the first start has come to an end, one way or the other.

        Raises:
            MusterError: the process died, or takes longer than `start_seconds`.
        """
        if self.child is None:
            return
        if self.child.exit_code() is not None:
            raise died_at_start(self.part, self.child)
        if self.state is ChildState.STARTING and self.part.is_ready(self.child.pid):
            self.state = ChildState.READY
        elif self.state is ChildState.STARTING and time.monotonic() - self._started > start_seconds:
            raise too_slow(self.part, self.child, start_seconds)

    def watch(self, start_seconds: float) -> None:
        """Restart the process where it has died, after a pause that doubles with every fall.

        One that was started again and is not ready within `start_seconds` counts as dead.
        """
        now = time.monotonic()
        if self.state is ChildState.RESTARTING:
            if now >= self._start_at:
                self._start_again()
            return
        assert self.child is not None
        code = self.child.exit_code()
        if code is not None:
            self._fell(f"ended with code {code}" if code >= 0 else f"killed by signal {-code}")
        elif self.state is ChildState.STARTING:
            if self.part.is_ready(self.child.pid):
                self.state = ChildState.READY
            elif now - self._started > start_seconds:
                self._fell(f"not ready after {start_seconds:g} s")
        elif now - self._started > CALM_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS

    def record(self) -> ChildRecord:
        """Return what others may know."""
        alive = self.child is not None and self.child.exit_code() is None
        return ChildRecord(
            name=self.part.name,
            kind=self.kind,
            state=self.state,
            address=self.part.address,
            pid=self.child.pid if alive and self.child else None,
            since=self.child.started_at if self.child else None,
            restarts=self.restarts,
            note=self.note,
        )

    def ask_to_stop(self) -> None:
        """Send the signal for an orderly end."""
        if self.child is not None:
            self.state = ChildState.STOPPING
            self.child.ask_to_stop()

    def stop(self) -> None:
        """Stop, waiting for an orderly end first."""
        if self.child is not None:
            self.state = ChildState.STOPPING
            self.child.stop()
        self.state = ChildState.STOPPED

    def kill(self) -> None:
        """End at once."""
        if self.child is not None:
            self.child.kill()
        self.state = ChildState.STOPPED

    def cap_log(self) -> None:
        """Keep the log within its size."""
        cap_log(self.home.log / f"{self.part.name}.log")

    def _fell(self, how: str) -> None:
        assert self.child is not None
        self.child.kill()
        self.note = how
        self.state = ChildState.RESTARTING
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _start_again(self) -> None:
        self.restarts += 1
        try:
            self.start()
        except MusterError as exc:
            # a full disk or a lost user: say so in the status and keep trying
            self.note = str(exc)
            self._start_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
