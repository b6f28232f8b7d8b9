"""How long what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long snapshots stay after the next one came, members of how many versions, runs, and unnamed files."""

    snapshots: timedelta
    versions: int
    grace: timedelta
    #: From the time a run was due that published nothing.
    runs: timedelta = timedelta(days=365)
