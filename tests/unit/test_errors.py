from muster_core.errors import Problem


def test_a_problem_says_where_and_what_to_do():
    problem = Problem(message="unknown column", pointer="/rules/0", hint="did you mean `age`?")
    assert str(problem) == "/rules/0: unknown column (did you mean `age`?)"
