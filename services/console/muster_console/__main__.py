"""``python -m muster_console`` is the command ``muster``."""

from __future__ import annotations

from muster_console.cli import run

if __name__ == "__main__":
    run()
