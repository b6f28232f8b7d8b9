"""Short campaigns: nothing that breaks at random breaks an invariant, and a broken fence is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.campaign import Report, run_campaign

pytestmark = [pytest.mark.chaos]


def told(report: Report) -> str:
    return "\n".join(report.lines())


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(20, id="smoke"),
        pytest.param(180, id="three_minutes", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_whatever_is_killed_stopped_cut_or_forged_the_invariants_hold(tmp_path: Path, seconds: int):
    report = run_campaign(tmp_path / "world", seed=seconds, seconds=seconds)
    assert report.violations == [], told(report)
    assert report.versions > 0
    assert report.faults.total() >= seconds / 3, told(report)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_fence_that_is_not_compared_is_noticed(tmp_path: Path):
    # one seed may never catch a worker between its last look and its last write; one of these does
    for seed in (3, 4, 5):
        folder = tmp_path / f"world-{seed}"
        report = run_campaign(folder, seed=seed, seconds=90, control="unfenced")
        if any(not violation.startswith("I11") for violation in report.violations):
            return
    pytest.fail("nobody noticed that the fence was off")
