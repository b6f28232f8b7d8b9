from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from muster_core.runs.split import next_cap


def test_the_first_loss_changes_nothing_and_the_last_attempt_is_alone() -> None:
    sizes, size = [], 1_000
    for attempt in range(1, 5):
        size = next_cap(size, attempt=attempt, max_attempts=5) or size
        sizes.append(size)

    assert sizes == [1_000, 100, 10, 1]


@given(size=st.integers(1, 5_000), most=st.integers(2, 12), certain=st.booleans())
def test_every_run_is_alone_at_its_last_attempt_at_the_latest(size, most, certain) -> None:
    for attempt in range(1, most):
        cap = next_cap(size, attempt=attempt, max_attempts=most, certain=certain)
        assert cap is None or 1 <= cap <= size
        size = cap or size
    assert size == 1 or (most == 2 and not certain)
