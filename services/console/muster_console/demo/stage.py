"""The demo's folder: the shop's data with its catalog, segments and exports as files to look at."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from muster_console.demo.shop import make_shop, write_shop

_SOURCE = Path(__file__).parent
_DOCUMENTS = ("catalog.yaml", "segments.yaml", "exports.yaml")
#: The shop's last day has to be recent, or windows such as "the last 7 days" would be empty.
_FRESH = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the demo's files are, and how many rows each table has."""

    folder: Path
    rows: dict[str, int]
    #: False where the data of an earlier demo was still good.
    made: bool

    @property
    def catalog(self) -> Path:
        """Return the catalog's file."""
        return self.folder / "catalog.yaml"

    @property
    def segments(self) -> Path:
        """Return the file of the segments."""
        return self.folder / "segments.yaml"

    @property
    def exports(self) -> Path:
        """Return the file of the exports."""
        return self.folder / "exports.yaml"


def set_stage(folder: Path, *, customers: int, now: datetime) -> Stage:
    """Write documents and data below `folder`; data of the same size that is fresh is kept."""
    # The exporter never makes the folder it delivers to: a disk that is not mounted must not be filled.
    (folder / "exports").mkdir(parents=True, exist_ok=True)
    for name in _DOCUMENTS:
        shutil.copyfile(_SOURCE / name, folder / name)
    note = folder / "shop.json"
    if (rows := _kept(note, customers, now)) is not None:
        return Stage(folder=folder, rows=rows, made=False)
    note.unlink(missing_ok=True)
    rows = write_shop(make_shop(customers, until=now), folder / "data")
    # Written last: a demo that was stopped half way makes its data again.
    note.write_text(json.dumps({"customers": customers, "until": now.isoformat(), "rows": rows}))
    return Stage(folder=folder, rows=rows, made=True)


def _kept(note: Path, customers: int, now: datetime) -> dict[str, int] | None:
    try:
        known = json.loads(note.read_text())
    except FileNotFoundError:
        return None
    fresh = now - datetime.fromisoformat(known["until"]) < _FRESH
    rows: dict[str, int] = known["rows"]
    return rows if fresh and known["customers"] == customers else None
