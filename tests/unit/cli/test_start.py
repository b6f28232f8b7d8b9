"""What a command imports: nobody who looks at a run waits for what reads members or carries hints."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import sys
from typer.main import get_command
from muster_console.cli.app import app

for words in sys.argv[1:]:
    command = get_command(app)
    for word in words.split():
        command = command.get_command(None, word)
    assert command is not None, words
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(*commands: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *commands], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_who_looks_imports_neither_arrow_nor_what_carries_hints() -> None:
    found = imported(
        *("segment list", "segment show", "segment refresh", "run show", "run list"),
        *("system status", "export list", "export deliveries", "connection list", "audit list"),
    )
    assert "sqlalchemy" in found
    assert not found & {"pyarrow", "numpy", "celery", "kombu", "redis", "alembic", "fastapi"}


def test_who_reads_or_saves_members_imports_no_carrier_of_hints() -> None:
    found = imported("segment members", "segment download", "segment apply", "catalog apply")
    assert "pyarrow" in found
    assert not found & {"celery", "kombu", "redis", "fastapi", "nicegui"}


def test_nothing_is_imported_before_a_command_is_named() -> None:
    assert not imported() & {"sqlalchemy", "pyarrow", "celery", "pydantic_settings"}
