"""The states of a delivery and the moves between them: pure, so that it can be tested without a database."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    RUNNING = "running"
    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What can happen to a delivery; stored as the reason of its event row."""

    CLAIMED = "claimed"
    ACKNOWLEDGED = "acknowledged"
    RETRY = "retry"
    GAVE_UP = "gave_up"
    REFUSED = "refused"
    LEASE_EXPIRED = "lease_expired"
    RELEASED = "released"
    REQUESTED = "requested"
    CANCELLED = "cancelled"
    HELD = "held"
    PAUSED = "paused"
    RESUMED = "resumed"
    SUPERSEDED = "superseded"


_S = DeliveryState
_MOVES: dict[Event, tuple[frozenset[DeliveryState], DeliveryState]] = {
    Event.CLAIMED: (frozenset({_S.PENDING}), _S.RUNNING),
    Event.ACKNOWLEDGED: (frozenset({_S.RUNNING}), _S.DELIVERED),
    Event.RETRY: (frozenset({_S.RUNNING}), _S.PENDING),
    Event.GAVE_UP: (frozenset({_S.RUNNING}), _S.FAILED),
    Event.REFUSED: (frozenset({_S.RUNNING}), _S.FAILED),
    Event.LEASE_EXPIRED: (frozenset({_S.RUNNING}), _S.PENDING),
    Event.RELEASED: (frozenset({_S.RUNNING}), _S.PENDING),
    Event.REQUESTED: (
        frozenset({_S.DELIVERED, _S.FAILED, _S.CANCELLED, _S.SUPERSEDED, _S.HELD}),
        _S.PENDING,
    ),
    Event.CANCELLED: (frozenset({_S.PENDING, _S.RUNNING, _S.HELD}), _S.CANCELLED),
    Event.HELD: (frozenset({_S.PENDING}), _S.HELD),
    Event.PAUSED: (frozenset({_S.PENDING}), _S.HELD),
    Event.RESUMED: (frozenset({_S.HELD}), _S.PENDING),
    Event.SUPERSEDED: (frozenset({_S.PENDING}), _S.SUPERSEDED),
}

#: Nothing more happens to these unless somebody asks for it.
ENDED = frozenset({_S.DELIVERED, _S.FAILED, _S.SUPERSEDED, _S.CANCELLED})


def sources(event: Event) -> frozenset[DeliveryState]:
    """Return the states in which `event` can happen."""
    return _MOVES[event][0]


def target(event: Event) -> DeliveryState:
    """Return the state `event` leads to."""
    return _MOVES[event][1]


def move(state: DeliveryState, event: Event) -> DeliveryState | None:
    """Return the state after `event`, or None where it cannot happen in `state`."""
    allowed, after = _MOVES[event]
    return after if state in allowed else None


def failure(*, transient: bool, attempt: int, max_attempts: int) -> Event:
    """Return what a failed attempt, counted from 1, means for its delivery."""
    if not transient:
        return Event.REFUSED
    return Event.RETRY if attempt < max_attempts else Event.GAVE_UP


def lost_lease(*, attempt: int, max_attempts: int) -> Event:
    """Return what an expired lease means: attempts are counted when claimed, so a killer ends too."""
    return Event.LEASE_EXPIRED if attempt < max_attempts else Event.GAVE_UP
