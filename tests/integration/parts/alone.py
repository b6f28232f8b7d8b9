"""The parts of a home without the services."""

from __future__ import annotations

from pathlib import Path

from tests.running import Parts

ALONE = {"MUSTER_SERVICES": "none"}


def alone(home: Path, **environment: str) -> Parts:
    return Parts(home, {**ALONE, **environment})


def without_engine(home: Path, **environment: str) -> Parts:
    """Everything but Java, whose place a plain listening socket takes: for tests about the other parts."""
    return alone(home, ENGINE="sc://localhost:1", **environment)
