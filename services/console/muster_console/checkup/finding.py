"""What one check found, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How good it is."""

    OK = "ok"
    #: It works, and will hurt some day.
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    part: str
    check: str
    grade: Grade
    found: str
    #: What to do; empty where it is fine.
    mend: str = ""


def fine(part: str, check: str, found: str) -> Finding:
    """Return that it is as it should be."""
    return Finding(part=part, check=check, grade=Grade.OK, found=found)


def warning(part: str, check: str, found: str, mend: str) -> Finding:
    """Return that it works, and should be mended."""
    return Finding(part=part, check=check, grade=Grade.WARNING, found=found, mend=mend)


def error(part: str, check: str, found: str, mend: str) -> Finding:
    """Return that it does not work."""
    return Finding(part=part, check=check, grade=Grade.ERROR, found=found, mend=mend)
