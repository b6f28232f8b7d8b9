from datetime import UTC, datetime
from pathlib import Path

import pytest

from muster_console.operation.export import read_exports
from muster_console.operation.file import document_files, read_file
from muster_console.operation.refresh import parse_instant
from muster_core.errors import InvalidInput


def _export(name: str, path: str) -> str:
    return f"name: {name}\nconnection: {{kind: folder, path: {path}}}\nsegments: [a]\n"


def test_a_folder_means_every_document_in_it_by_name(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [p.name for p in document_files(tmp_path)] == ["a.yml", "b.yaml", "c.json"]


@pytest.mark.parametrize("name", ["nowhere.yaml", "empty"])
def test_what_is_no_document_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput) as raised:
        document_files(tmp_path / name)
    assert name in str(raised.value.problems[0])


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput) as raised:
        read_file(file)
    assert "UTF-8" in raised.value.problems[0].message


def test_a_relative_folder_is_taken_from_its_file_and_an_absolute_one_is_kept(
    tmp_path: Path,
) -> None:
    file = tmp_path / "exports.yaml"
    file.write_text(_export("one", "../out") + "---\n" + _export("two", "/srv/out"))
    paths = [document.folder for document in read_exports(file)]
    assert paths == [str(tmp_path.parent / "out"), "/srv/out"]


def test_every_problem_of_every_export_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "exports.yaml"
    file.write_text(
        _export("Not a name", "out") + "---\n" + _export("two", "out") + "colour: red\n"
    )
    with pytest.raises(InvalidInput) as raised:
        read_exports(file)
    problems = raised.value.problems
    assert [problem.pointer for problem in problems] == ["/name", "/colour"]
    assert [problem.line for problem in problems] == [1, 8]


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "exports.yaml"
    file.write_text("name: [\n")
    with pytest.raises(InvalidInput) as raised:
        read_exports(file)
    assert raised.value.problems[0].line == 2


def test_an_instant_without_offset_is_utc() -> None:
    wanted = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parse_instant("2026-03-01T12:00:00") == wanted
    assert parse_instant("2026-03-01T13:00:00+01:00") == wanted
    with pytest.raises(InvalidInput):
        parse_instant("yesterday")


@pytest.mark.parametrize("line", ["colour: \x07", "colour: 2026-13-45"])
def test_what_a_yaml_loader_stumbles_over_is_a_problem_of_every_export(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "a.yaml").write_text(_export("one", "out") + line)
    (tmp_path / "b.yaml").write_text(_export("Not a name", "out"))
    with pytest.raises(InvalidInput) as raised:
        read_exports(tmp_path)
    found = [problem.file for problem in raised.value.problems]
    assert found == [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]


def test_an_export_that_stands_twice_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "exports.yaml"
    file.write_text(_export("one", "out") + "---\n" + _export("one", "other"))
    with pytest.raises(InvalidInput) as raised:
        read_exports(file)
    (problem,) = raised.value.problems
    assert (problem.line, problem.message) == (5, f"`one` is defined in {file}:1 already")
