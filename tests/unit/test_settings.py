"""Settings from the environment: what has no sensible value is named, not quoted."""

from __future__ import annotations

import pytest

from muster_console.parts.detached import _failure
from muster_console.parts.home import Home
from muster_core.errors import InvalidInput
from muster_core.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MUSTER_LEASE_SECONDS", "abc", "valid number"),
        ("MUSTER_SWEEP_SECONDS", "0", "greater than 0"),
        ("MUSTER_BACKOFF_SECONDS", "inf", "less than or equal"),
        ("MUSTER_REAPER_SECONDS", "nan", ""),
        ("MUSTER_BATCH_LIMIT", "0", "greater than or equal to 1"),
        ("MUSTER_PARTITIONS", "12", "power of two"),
        ("MUSTER_HEARTBEAT_SECONDS", "55", "less than MUSTER_LEASE_SECONDS"),
        ("MUSTER_LOG_FORMAT", "xml", ""),
        ("MUSTER_LIMIT_DEPTH", "1000", "less than or equal to 40"),
        ("MUSTER_LIMIT_RULES", "none", "valid integer"),
    ],
)
def test_a_variable_without_a_sensible_value_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput) as caught:
        Settings()
    (problem,) = caught.value.problems
    assert name in str(problem)
    assert message in str(problem)
    assert name in str(caught.value), "a service that cannot start says it in one line"


def test_what_a_detached_supervisor_refused_is_refused_with_every_problem(tmp_path) -> None:
    outcome = {
        "code": "invalid_input",
        "message": "MUSTER_X: no; nothing was changed.",
        "hint": None,
        "problems": [{"message": "MUSTER_X: no", "pointer": ""}],
    }
    error = _failure(outcome, Home(tmp_path))
    assert isinstance(error, InvalidInput)
    assert [str(problem) for problem in error.problems] == ["MUSTER_X: no"]
    assert str(error) == "MUSTER_X: no; nothing was changed."


def test_limits_of_rules_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().limits.rules == 20
    monkeypatch.setenv("MUSTER_LIMIT_RULES", "30")
    monkeypatch.setenv("MUSTER_LIMIT_DEPTH", "40")
    limits = Settings().limits
    assert (limits.rules, limits.depth, limits.nesting) == (30, 40, 200)
