"""How commands say which segments they mean, and how refusals end them."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from muster_console.cli.choice import Choice, choosing, filtering, print_results
from muster_console.cli.output import JsonOption
from muster_console.operation.listing import SegmentFilter
from muster_console.operation.result import SegmentResult, refusal
from muster_core.errors import Conflict, InvalidInput, NotFound, Problem

app = typer.Typer()
seen: list[object] = []


@app.command()
@choosing
def touch(choice: Choice, *, twice: bool = False, json: JsonOption = False) -> None:
    """Touch segments."""
    seen.append((choice, twice, json))


@app.command("list")
@filtering
def list_(wanted: SegmentFilter, *, limit: int = 3) -> None:
    """List segments."""
    seen.append((wanted, limit))


def test_names_filters_and_all_become_one_choice() -> None:
    seen.clear()
    runner = CliRunner()
    for words in (
        ["touch", "a", "b", "--twice", "--json"],
        ["touch", "--with-tag", "x", "--state", "draft"],
        ["touch", "--all"],
        ["list", "--search", "a", "--owner", "anna", "--limit", "5"],
        ["list"],
    ):
        assert runner.invoke(app, words).exit_code == 0, words
    nothing = SegmentFilter()
    assert seen == [
        (Choice(names=["a", "b"], wanted=nothing, everything=False), True, True),
        (
            Choice(names=[], wanted=SegmentFilter(tag="x", state="draft"), everything=False),
            False,
            False,
        ),
        (Choice(names=[], wanted=nothing, everything=True), False, False),
        (SegmentFilter(search="a", owner="anna"), 5),
        (nothing, 3),
    ]
    helped = runner.invoke(app, ["touch", "--help"], env={"COLUMNS": "200"}).output
    assert "Touch segments." in helped
    assert "The segments, by name." in helped


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("There is no segment `a`."), 3),
        (Conflict("It is used."), 4),
        (InvalidInput([Problem(message="no such column", pointer="/rules/0")]), 2),
    ],
)
def test_the_exit_code_is_that_of_the_first_refusal(error, code, capsys) -> None:
    results = [SegmentResult(name="b", outcome="changed"), refusal("a", error)]
    with pytest.raises(typer.Exit) as ended:
        print_results(results, json=True)
    assert ended.value.exit_code == code
    told = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in told] == ["changed", "refused"]
    assert told[1]["code"] == error.code
    print_results(results[:1], json=False)
    assert "changed" in capsys.readouterr().out


def test_a_filter_takes_whole_words_of_tags_and_parts_of_names() -> None:
    with pytest.raises(InvalidInput, match="2 problems"):
        SegmentFilter(state="on", status="fine").check()
    SegmentFilter(state="draft", status="failed, retrying").check()
    assert not SegmentFilter().asks
    assert SegmentFilter(owner="anna").asks
