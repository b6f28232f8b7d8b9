"""Which Muster the commands of this process work on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def use_server(options: Mapping[str, Any]) -> None:
    """Let all that follows work on the server that the options before the command name, if they name one.

    They become settings like any others: whatever opens a workspace reads them.
    """
    for name, value in (
        ("MUSTER_SERVER", options.get("server")),
        ("MUSTER_TOKEN_FILE", options.get("token_file")),
    ):
        if value is not None:
            os.environ[name] = str(value)
