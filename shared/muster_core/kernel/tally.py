"""What a task reports of each segment: counts only, which add up over partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one segment in some partitions.

    `nodes` is members by JSON pointer, for every rule and condition; `running` is the members of the result
    after each rule; `joined` and `left` are against the version before.
    """

    count: int
    joined: int
    left: int
    nodes: Mapping[str, int] = field(default_factory=dict)
    running: tuple[int, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            count=self.count + other.count,
            joined=self.joined + other.joined,
            left=self.left + other.left,
            nodes={key: number + other.nodes[key] for key, number in self.nodes.items()},
            running=tuple(a + b for a, b in zip(self.running, other.running, strict=True)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "count": self.count,
            "joined": self.joined,
            "left": self.left,
            "nodes": dict(self.nodes),
            "running": list(self.running),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        """Read what `to_json` returned."""
        return cls(**{**data, "running": tuple(data["running"])})
