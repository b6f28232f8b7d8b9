"""Values as advertising destinations ask for them."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from muster_core.errors import InvalidInput
from muster_core.exports.document import parse_export
from muster_core.exports.form import Hash, Normal
from muster_core.exports.transform import transformed

DOCUMENT = {"name": "crm", "connection": "there", "segments": ["vip"]}


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        (Normal.TEXT, "  Ann SMITH ", "ann smith"),
        (Normal.TEXT, "", ""),
        (Normal.EMAIL, " Ann.Smith @Example.ORG", "ann.smith@example.org"),
        (Normal.EMAIL, "nobody", None),
        (Normal.PHONE, "+44 (20) 7946-0000", "+442079460000"),
        (Normal.PHONE, "0044 20 7946 0000", "+442079460000"),
        (Normal.PHONE, "020 7946 0000", None),
        (Normal.PHONE, "+0", None),
        (Normal.DIGITS, "+44 20", "4420"),
        (Normal.DIGITS, "none", None),
    ],
)
def test_text_is_brought_into_one_form(form, text, wanted):
    column = pa.array([text, None], pa.string())
    assert transformed(column, normalise=form, hashing=None).to_pylist() == [wanted, None]


@pytest.mark.parametrize("chunked", [True, False])
def test_what_is_hashed_is_the_form_and_missing_stays_missing(chunked):
    column = pa.array(["A@b.de ", "a@B.de", None, "nobody"], pa.string())
    if chunked:
        column = pa.chunked_array([column, column.slice(0, 0)])
    found = transformed(column, normalise=Normal.EMAIL, hashing=Hash.SHA256).to_pylist()
    digest = hashlib.sha256(b"a@b.de").hexdigest()
    assert found == [digest, digest, None, None]


def test_no_rows_are_no_rows():
    empty = pa.chunked_array([], pa.string())
    assert len(transformed(empty, normalise=Normal.TEXT, hashing=Hash.SHA256)) == 0


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"columns": [{"column": "email", "hash": "md5"}]}, "/columns/0/hash"),
        ({"columns": [{"column": "email", "normalise": "upper"}]}, "/columns/0/normalise"),
        ({"holdout": {"percent": 0}}, "/holdout/percent"),
        ({"holdout": {"percent": 100}}, "/holdout/percent"),
        ({"suppress": ["vip"]}, ""),
        ({"suppress": ["a", "a"]}, ""),
    ],
)
def test_what_makes_no_sense_is_refused(changes, pointer):
    with pytest.raises(InvalidInput) as caught:
        parse_export({**DOCUMENT, **changes})
    assert [p.pointer for p in caught.value.problems] == [pointer]


def test_a_document_is_read_back_as_it_was():
    column = {"column": "email", "as": "em", "normalise": "email", "hash": "sha256"}
    found = parse_export({**DOCUMENT, "columns": [column], "holdout": {"percent": 5}})
    assert parse_export(found.to_json()) == found
