"""``python -m muster_console.parts FD``: the supervisor without a terminal, for ``muster up --detach``.

It writes one JSON line to the open file descriptor `FD` when everything is ready or cannot start.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from muster_console.parts.state import HomeRecord
from muster_console.parts.supervisor import Supervisor
from muster_core.errors import InvalidInput, MusterError
from muster_core.settings import Settings


class Report:
    """The one line the waiting command reads; writing it to a command that is gone changes nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def ready(self, record: HomeRecord) -> None:
        """Say that everything is ready, the first time it is."""
        if record.state == "ready":
            self.send({"ready": True})

    def send(self, line: dict[str, object]) -> None:
        """Write the line and close."""
        if self._descriptor is None:
            return
        with os.fdopen(self._descriptor, "w") as file:
            self._descriptor = None
            try:
                file.write(json.dumps(line) + "\n")
                file.flush()
            except BrokenPipeError:
                # the command was interrupted; the supervisor gets a signal of its own
                return


def main() -> None:
    """Run until a signal asks to stop; end with code 1 where something cannot start."""
    report = Report(int(sys.argv[1]))
    try:
        Supervisor(Settings(), report.ready).run()
    except MusterError as exc:
        problems = [asdict(p) for p in exc.problems] if isinstance(exc, InvalidInput) else []
        report.send(
            {"code": exc.code, "message": exc.message, "hint": exc.hint, "problems": problems}
        )
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
