from __future__ import annotations

import pytest

from muster_core.errors import InvalidInput
from muster_core.exports.document import ExportDocument, Format, layout, parse_export


def document(**changes: object) -> dict[str, object]:
    return {
        "name": "crm",
        "connection": {"kind": "folder", "path": "/srv/exports"},
        "segments": ["vip"],
        **changes,
    }


def problems_of(data: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse_export(data, file="crm.yaml")
    return {problem.pointer: problem.message for problem in caught.value.problems}


def test_a_short_document_gets_the_defaults():
    read = parse_export(document())

    assert (read.format, read.rows_per_file, read.raw, read.active) == (
        Format.CSV,
        1_000_000,
        False,
        True,
    )
    assert read.columns == []


def test_what_is_stored_reads_back_as_the_same_document():
    read = parse_export(
        document(columns=["email", {"column": "country", "as": "land"}], format="csv.gz")
    )

    assert parse_export(read.to_json()) == read


def test_the_key_is_first_and_can_only_be_renamed():
    read = parse_export(document(columns=["email", {"column": "id", "as": "customer"}]))

    assert layout(read, "id") == [("customer", "id"), ("email", "email")]
    assert layout(parse_export(document(columns=["email"])), "id") == [
        ("id", "id"),
        ("email", "email"),
    ]


def test_every_problem_is_told_with_its_place():
    found = problems_of(
        {
            "name": "C R M",
            "connection": {"kind": "folder", "path": "relative"},
            "segments": [],
            "format": "xlsx",
            "rows_per_file": 0,
            "surprise": 1,
        }
    )

    assert set(found) == {
        "/name",
        "/connection/path",
        "/segments",
        "/format",
        "/rows_per_file",
        "/surprise",
    }


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/cron.d/x",
        "relative",
        "",
        "~/.ssh/authorized_keys",
        "/srv/~root",
        "/a/../../b",
        "/srv/..%2f..%2fetc",
        "/srv/%2E%2E/etc",
        "/srv\\..\\..\\etc",
        "/srv/a\0b",
        "/srv/a\nb",
        "/srv/\u202eexe",
        "/srv/CON",
        "/srv/nul.csv",
        "/srv/dot.",
        "/srv/space ",
        "/srv/" + "x" * 300,
        "/" + "x/" * 600,
        "/srv/{segment.__init__.__globals__}",
        "/srv/{0.__class__}",
    ],
)
def test_a_path_that_plays_tricks_is_refused(path):
    assert set(problems_of(document(connection={"kind": "folder", "path": path}))) == {
        "/connection/path"
    }


@pytest.mark.parametrize(
    "name", ["", "CRM", "../x", "a/b", "con", "lpt1", "a.", "a\0", "a\n", "1a", "a" * 65, "é"]
)
def test_a_name_unfit_for_a_folder_is_refused(name):
    assert set(problems_of(document(name=name))) == {"/name"}


@pytest.mark.parametrize("header", ["", " x", "x\n", "a\0", "\u202ex", "y" * 129])
def test_a_column_name_with_invisible_parts_is_refused(header):
    found = problems_of(document(columns=[{"column": "email", "as": header}]))

    assert all(pointer.startswith("/columns/0") for pointer in found)


def test_two_columns_of_one_name_are_refused():
    found = problems_of(document(columns=["email", {"column": "mail", "as": "email"}]))

    assert "same name" in found[""]


def test_a_segment_named_twice_is_refused():
    assert "twice" in problems_of(document(segments=["vip", "vip"]))["/segments"]


def test_raw_is_refused_where_it_means_nothing():
    assert "CSV" in problems_of(document(format="parquet", raw=True))[""]


@pytest.mark.parametrize("data", [None, [], "text", 1, {"name": {}}])
def test_what_is_no_document_is_refused(data):
    assert problems_of(data)


def test_the_schema_can_be_published():
    assert ExportDocument.model_json_schema()["required"] == ["name", "connection", "segments"]


def test_a_name_that_is_none_is_told_in_words():
    assert problems_of(document(name="Bad name")) == {
        "/name": "a name has up to 64 small letters, digits, _ and -, and begins with a letter"
    }


@pytest.mark.parametrize(
    ("changes", "pointer", "said"),
    [
        ({"segments": []}, "/segments", "must not be empty"),
        ({"segments": "vip"}, "/segments", "this is a list"),
        ({"columns": [5]}, "/columns/0", "has fields of its own"),
        ({"holdout": 5}, "/holdout", "has fields of its own"),
        ({"rows_per_file": "many"}, "/rows_per_file", "a whole number"),
        ({"rows_per_file": 1.5}, "/rows_per_file", "a whole number"),
        ({"holdout": {"percent": "some"}}, "/holdout/percent", "this is a number"),
        ({"active": "maybe"}, "/active", "true or false"),
        ({"description": "x" * 3000}, "/description", "at most 2000 characters"),
        ({"suppress": ["s"] * 200}, "/suppress", "at most 100 entries"),
    ],
)
def test_a_wrong_type_is_told_in_words_of_the_document(changes, pointer, said):
    document = {"name": "crm", "connection": "there", "segments": ["vip"], **changes}
    with pytest.raises(InvalidInput) as caught:
        parse_export(document)
    (problem,) = caught.value.problems
    assert problem.pointer == pointer
    assert said in problem.message
