"""The delivery gate: whether a new version may be published unseen, or waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.errors import ChangeTooLarge
from muster_core.rules.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What holds for every segment whose document says nothing else."""

    #: Most percent the number of members may move, either way.
    change_percent: float = 50.0
    #: Published versions before changes are compared at all: a new segment is still being tried out.
    versions: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A version about to be published, beside the one before."""

    segment: str
    #: How many versions were published so far, and how many members the last of them has.
    versions: int
    before: int | None
    after: int


def gate_trips(change: Change, gate: Gate | None, policy: GatePolicy) -> ChangeTooLarge | None:
    """Return why `change` waits for a person, None where it may pass; `gate` None means switched off."""
    if gate is None:
        return None
    why = _bounds(change, gate) or _movement(change, gate, policy)
    if why is None:
        return None
    return ChangeTooLarge(f"The segment {change.segment} {why}.")


def _bounds(change: Change, gate: Gate) -> str | None:
    """Bounds that somebody wrote down hold from the first version on."""
    if gate.minimum is not None and change.after < gate.minimum:
        return f"would have {change.after:,} members, fewer than its gate's {gate.minimum:,}"
    if gate.maximum is not None and change.after > gate.maximum:
        return f"would have {change.after:,} members, more than its gate's {gate.maximum:,}"
    return None


def _movement(change: Change, gate: Gate, policy: GatePolicy) -> str | None:
    before = change.before
    if before is None or change.versions < policy.versions or change.after == before:
        return None
    told = f"would go from {before:,} to {change.after:,} members"
    if change.after == 0:
        return told
    most = policy.change_percent if gate.change_percent is None else gate.change_percent
    # from nothing, any growth is more than any percentage
    if abs(change.after - before) * 100 > most * before:
        return f"{told}, a change of more than {most:g} %"
    return None
