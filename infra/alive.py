"""``python alive.py KIND``: the health check of a container; ends with 0 where its service was heard of lately.

The container's own sign of life counts, as the service writes it into PostgreSQL: a process that hangs is unhealthy.
"""

from __future__ import annotations

import socket
import sys
from datetime import timedelta

from muster_core.errors import MusterError
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.process import list_processes

#: Every service says something every few seconds, also while it works.
SILENCE = timedelta(seconds=60)


def main() -> None:
    """Look for a service of the kind that the one argument names, on this host."""
    host, kind = socket.gethostname(), sys.argv[1]
    try:
        database = open_database(Settings().database(), application="muster-health")
        with transaction(database) as connection:
            found = [p for p in list_processes(connection) if (p.kind, p.host) == (kind, host)]
    except MusterError as exc:
        sys.exit(str(exc))
    if not any(process.silent < SILENCE for process in found):
        sys.exit(f"No {kind} on {host} was heard of in the last {SILENCE.total_seconds():g} s.")


if __name__ == "__main__":
    main()
