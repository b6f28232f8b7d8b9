from __future__ import annotations

import pytest

from muster_core.rules.gate import Gate
from muster_core.runs.gate import Change, GatePolicy, gate_trips


@pytest.mark.parametrize(
    ("versions", "before", "after", "gate", "held"),
    [
        (3, 100, 150, Gate(), False),
        (3, 100, 151, Gate(), True),
        (3, 100, 50, Gate(), False),
        (3, 100, 49, Gate(), True),
        (3, 1, 0, Gate(change_percent=1_000), True),
        (3, 0, 1, Gate(), True),
        (3, 0, 0, Gate(), False),
        (2, 100, 0, Gate(), False),
        (0, None, 5, Gate(minimum=6), True),
        (0, None, 6, Gate(minimum=6), False),
        (0, None, 8, Gate(maximum=7), True),
        (9, 100, 0, None, False),
    ],
)
def test_a_change_is_held_by_what_it_is(versions, before, after, gate, held) -> None:
    change = Change(segment="buyers", versions=versions, before=before, after=after)

    why = gate_trips(change, gate, GatePolicy())

    assert (why is not None) == held
    assert why is None or "The segment buyers would" in str(why)


def test_bounds_stand_in_order() -> None:
    with pytest.raises(ValueError, match="minimum is greater than maximum"):
        Gate(minimum=2, maximum=1)
