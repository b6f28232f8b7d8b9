"""Errors of usage: a box for people, JSON for programs, exit code 2 for both."""

from __future__ import annotations

import io
import json
from importlib.metadata import version

import pytest

from muster_console.cli import main


def _end(monkeypatch, *arguments: str) -> object:
    monkeypatch.setattr("sys.argv", ["muster", *arguments])
    # logs would go on into the captured stream, which other tests outlive
    monkeypatch.setattr("muster_console.cli.configure_logging", lambda **_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["segment", "refresh", "--json"], "name segments"),
        (["segment", "show", "--json"], "NAME"),
        (["segment", "list", "--jsn", "--json"], "--jsn"),
        (["segmnet", "--json"], "segmnet"),
    ],
)
def test_programs_get_an_error_of_usage_as_json(arguments, said, monkeypatch, capsys):
    assert _end(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert said in error["message"]
    assert "--help` says more" in error["hint"]
    assert err == ""


@pytest.mark.parametrize(
    "command",
    [
        *("run show N", "run cancel N", "export hold N", "system show N", "token revoke N"),
        *("customer receipt N", "audit list --before N", "segment members a --version N"),
        *("segment members a --skip N", "segment changes a --from N --to N"),
        *("segment explain a b --version N", "catalog values a b --skip N"),
    ],
)
def test_a_number_that_nothing_can_have_is_refused_before_anything_is_asked(
    command, monkeypatch, capsys
):
    words = command.replace("N", "99999999999999999999").split()
    assert _end(monkeypatch, *words, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_people_get_an_error_of_usage_on_standard_error(monkeypatch, capsys):
    assert _end(monkeypatch, "segment", "refresh") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "name segments" in err


def test_who_names_a_server_behind_the_command_is_told_where_it_stands(monkeypatch, capsys):
    for option in (["--server", "http://x"], ["--token-file", "x"]):
        assert _end(monkeypatch, "segment", "list", *option) == 2
        assert "before the command: `muster --server" in capsys.readouterr().err
        assert _end(monkeypatch, "segment", "list", *option, "--json") == 2
        hint = json.loads(capsys.readouterr().out)["error"]["hint"]
        assert "before the command" in hint


def test_nobody_to_answer_a_question_ends_a_command(monkeypatch, capsys):
    def nobody(*_: object, **__: object) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    monkeypatch.setattr("builtins.input", nobody)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for form in ([], ["--json"]):
        code = _end(monkeypatch, "user", "create", "anna", "--password", *form)
        out, err = capsys.readouterr()
        assert code in (1, 2)
        assert "Traceback" not in out + err


def test_what_went_well_ends_with_0_for_programs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))
    assert _end(monkeypatch, "status", "--json") in (0, None)
    assert json.loads(capsys.readouterr().out)


def test_the_version_is_that_of_the_installed_package(monkeypatch, capsys):
    assert _end(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"muster {version('muster')}\n"


def test_every_command_has_help_by_both_names(monkeypatch, capsys):
    for arguments in (["-h"], ["segment", "-h"], ["segment", "list", "-h"], ["runs", "--help"]):
        assert _end(monkeypatch, *arguments) == 0
        assert "Usage: muster" in capsys.readouterr().out
