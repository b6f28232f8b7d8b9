from __future__ import annotations

from datetime import timedelta

from muster_core.runs.backoff import Backoff


def full() -> float:
    return 1.0


def test_the_first_retry_after_a_lost_lease_is_immediate_and_waits_begin_with_the_second() -> None:
    wait = Backoff()

    assert wait.delay(1, lease_lost=True, jitter=full) == timedelta(0)
    assert wait.delay(2, lease_lost=True, jitter=full) == timedelta(seconds=30)


def test_waits_double_up_to_an_hour() -> None:
    waits = [Backoff().delay(n, jitter=full).total_seconds() for n in (1, 2, 3, 7, 8, 5_000)]

    assert waits == [30, 60, 120, 1920, 3600, 3600]


def test_jitter_takes_away_at_most_half() -> None:
    assert Backoff().delay(1, jitter=lambda: 0.0) == timedelta(seconds=15)
