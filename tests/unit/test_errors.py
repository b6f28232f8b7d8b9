import pytest

from muster_core.errors import InvalidInput, Problem, TargetUnavailable
from muster_core.storage.transition import told


def test_a_problem_says_where_and_what_to_do():
    problem = Problem(message="unknown column", pointer="/rules/0", hint="did you mean `age`?")
    assert str(problem) == "/rules/0: unknown column (did you mean `age`?)"


def test_what_a_run_keeps_of_an_invalid_input_names_its_problems():
    problems = [Problem(message=f"column {n} is unknown", pointer=f"/rules/{n}") for n in range(22)]
    kept = told(InvalidInput(problems))
    assert kept.startswith(
        "22 problems found; nothing was changed. /rules/0: column 0 is unknown; "
    )
    assert kept.endswith("/rules/19: column 19 is unknown; and 2 more")
    assert len(told(InvalidInput([Problem(message="x" * 9_000)]))) == 4_000


@pytest.mark.parametrize(
    ("hint", "kept"),
    [
        ("It is tried again.", "Nothing answers."),
        ("Free space; it is tried again.", "Nothing answers. Free space."),
        ("Look at the disk; the work is tried again.", "Nothing answers. Look at the disk."),
        ("Start the server.", "Nothing answers. Start the server."),
    ],
)
def test_what_failed_for_good_does_not_promise_another_try(hint, kept):
    error = TargetUnavailable("Nothing answers.", hint=hint)
    assert error.without_promise() == kept
    assert told(error) == kept
    assert told(error, again=True) == f"Nothing answers. {hint}"
