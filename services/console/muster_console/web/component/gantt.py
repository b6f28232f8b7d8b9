"""The picture of a system refresh: its stages as bars over one line of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui.element import Element

from muster_core.storage.refresh import RefreshRecord


class Gantt(Element, component="gantt.js"):
    """When the stages of one system refresh ran, how far they are, and how they compare with the one before."""

    def __init__(self, refresh: RefreshRecord) -> None:
        super().__init__()
        self.show(refresh)

    def show(self, refresh: RefreshRecord) -> None:
        """Show how it stands now."""
        self._props["start"] = refresh.created_at.isoformat()
        self._props["end"] = refresh.finished_at.isoformat() if refresh.finished_at else None
        self._props["bars"] = [_bar(stage) for stage in refresh.stages]
        self.update()


def _bar(stage: Mapping[str, Any]) -> dict[str, Any]:
    ended = sum(stage[name] for name in ("succeeded", "failed", "skipped", "cancelled"))
    return {
        "label": str(stage["stage"]),
        "state": str(stage["state"]),
        "start": stage["started_at"],
        "end": stage["finished_at"],
        "seconds": stage["seconds"],
        "total": stage["total"],
        "ended": ended,
        "change": stage.get("change_seconds"),
    }
