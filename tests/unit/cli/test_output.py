"""Errors as people and programs see them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from muster_console.cli.output import console as standard
from muster_console.cli.output import (
    data_text,
    print_facts,
    print_json,
    print_marked,
    print_table,
    reported,
)
from muster_core.errors import (
    Conflict,
    EngineUnavailable,
    InvalidInput,
    MusterError,
    NotFound,
    PartUnavailable,
    Problem,
)


def _ends_with(error: MusterError) -> int:
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput([Problem(message="wrong")]), 2),
        (NotFound("No such segment."), 3),
        (Conflict("Already up."), 4),
        (PartUnavailable("No database."), 5),
        (EngineUnavailable("No engine."), 5),
        (MusterError("Something else."), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, code, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "up"])
    assert _ends_with(error) == code


def test_every_problem_of_an_input_is_listed(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "segment", "apply"])
    problems = [
        Problem(message="unknown column", file="a.yaml", line=3),
        Problem(message="too deep"),
    ]
    _ends_with(InvalidInput(problems))
    shown = capsys.readouterr().err
    assert "a.yaml:3: unknown column" in shown
    assert "too deep" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12346, "12346"),
        (None, ""),
        (True, "yes"),
        (Decimal("1234.50"), "1234.50"),
        (["S1", None, "S2"], "[S1, missing, S2]"),
        ([12346, 2], "[12346, 2]"),
        ([], "[]"),
        ([[Decimal("0.5")], []], "[[0.5], []]"),
    ],
)
def test_a_members_value_is_shown_as_it_is(value, text):
    assert data_text(value) == text


def test_programs_get_the_error_as_json(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "status", "--json"])
    _ends_with(InvalidInput([Problem(message="wrong", pointer="/rules")]))
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "invalid_input"
    assert error["problems"][0]["pointer"] == "/rules"


def test_a_hostile_name_cannot_steer_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "segment", "list"])
    _ends_with(NotFound("No segment \x1b[2J[bold]x[/bold]."))
    assert "\x1b[2J" not in capsys.readouterr().err
    print_table("", ["name"], [["\x1b[31mred[link]"]])
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert "red[link]" in shown


def test_json_keeps_every_letter(capsys):
    print_json({"name": "Käufer"})
    assert json.loads(capsys.readouterr().out) == {"name": "Käufer"}


@pytest.mark.parametrize("name", ["[/red]", "[bold]loud[/bold]", ":pile_of_poo:", "a\\[b]"])
def test_what_people_call_things_is_shown_as_it_is(name, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "segment", "show"])
    print_facts(name, [(name, name)])
    print_table(name, (name,), [(name,)])
    print_marked(standard, "Warning", "yellow", name)
    standard.print(f"{name} is changed.")
    _ends_with(InvalidInput([Problem(message=name)], name))
    out, err = capsys.readouterr()
    assert out.count(name) == 8
    assert err.count(name) == 2


def test_a_defect_is_one_document_for_programs_and_tells_where_it_is(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["muster", "segment", "list", "--json"])
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError
    assert "ZeroDivisionError" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_json_holds_nothing_that_a_terminal_obeys_and_says_the_same(capsys):
    told = {"a": "\x9b2J \u202eabc \x1b[2J Caf\u00e9 \U0001f600"}
    print_json(told)
    out = capsys.readouterr().out
    assert json.loads(out) == told
    assert out.replace("\n", "").isprintable()
    assert "Caf\u00e9 \U0001f600" in out
