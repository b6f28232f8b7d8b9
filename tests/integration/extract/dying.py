"""Run an extraction in a process of its own: ``dying.py URL LAKE PIECES``.

With PIECES it kills itself once so many pieces are finished; without, it prints its peak memory in bytes before
and after.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

from muster_core.extract.document import PostgresSource
from muster_core.lake.location import Lake
from muster_worker.extract.extraction import extract

SOURCE = PostgresSource(connection="SHOP", table="items", parallel=2)
COLUMNS = {"id": "integer", "name": "text", "amount": "integer"}
PAGES = 64


def main() -> None:
    url, lake, pieces = sys.argv[1], Lake(sys.argv[2]), int(sys.argv[3])

    def progress(rows: int, done: int, total: int) -> None:
        if pieces and done >= pieces:
            os.kill(os.getpid(), signal.SIGKILL)

    before = _peak()
    extract(lake, SOURCE, url, table="items", columns=COLUMNS, progress=progress, pages=PAGES)
    sys.stdout.write(f"{before} {_peak()}\n")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
