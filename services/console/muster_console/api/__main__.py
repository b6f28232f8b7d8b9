"""``python -m muster_console.api``: answers the REST API, until SIGTERM."""

from __future__ import annotations

import argparse
import os

from muster_console.api.server import serve
from muster_core.importing import leave_pandas_out
from muster_core.settings import Settings
from muster_core.telemetry import configure_logging


def main() -> None:
    """Run one API process in the foreground; any number of them may run."""
    parser = argparse.ArgumentParser(prog="muster_console.api", description=__doc__)
    parser.add_argument(
        "--host",
        default=os.environ.get("MUSTER_CONSOLE_HOST", "127.0.0.1"),
        help="what to listen on",
    )
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("MUSTER_CONSOLE_PORT") or 8420)
    )
    given = parser.parse_args()
    settings = Settings()
    configure_logging(role="console", style=settings.log_format)
    leave_pandas_out()
    serve(settings, host=given.host, port=given.port)


if __name__ == "__main__":
    main()
