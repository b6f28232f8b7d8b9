import pytest

from muster_console.cli.output import run_note


@pytest.mark.parametrize(
    ("state", "reason", "error", "note"),
    [
        ("failed", "error", "The engine is away.", "The engine is away."),
        ("pending", "retry", "The engine is away.", "The engine is away."),
        ("pending", "retry", None, "retry"),
        ("skipped", "overlap", "The engine is away.", "overlap"),
        ("published", None, "The engine is away.", None),
    ],
)
def test_an_error_is_shown_only_while_it_is_the_cause(state, reason, error, note):
    assert run_note(state, reason, error) == note
