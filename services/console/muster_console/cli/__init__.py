"""The command ``muster``."""

from __future__ import annotations

import gc
import sys

from muster_console.cli.app import app
from muster_console.cli.output import reported
from muster_core.importing import leave_pandas_out
from muster_core.telemetry import configure_logging

#: However it was started: usage and completion speak of the same name.
_NAME = "muster"
#: Objects made before the collector looks, and how often it looks at older ones.
_COLLECTED = (50_000, 20, 50)


def run() -> None:
    """Be the process of one command."""
    leave_pandas_out()
    main()


def main() -> None:
    """Run the command line; the exit code tells what kind of thing went wrong (see `cli.output`)."""
    # Nothing that is imported is ever garbage, and the collector would look at all of it a dozen times over.
    gc.set_threshold(*_COLLECTED)
    # Logs go to standard error; standard output stays what a command prints.
    configure_logging(role="console", style="console")
    with reported():
        # not standalone, errors of usage come out here and become JSON, too
        sys.exit(app(standalone_mode=False, prog_name=_NAME))
