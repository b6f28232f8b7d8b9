from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster_core.errors import TerminalError
from muster_core.exports.document import Format
from muster_core.exports.naming import (
    CHUNK_PATTERN,
    chunk_name,
    staged_fence,
    staged_name,
    version_folder,
)

exports = st.from_regex(r"[a-z][a-z0-9_-]{0,63}", fullmatch=True)
segments = st.from_regex(r"[a-z][a-z0-9_]{0,99}", fullmatch=True)
versions = st.integers(1, 2**62)
#: Texts by pattern are slow to make where many share a core; that says nothing about names.
slowly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_names_are_what_the_guide_says():
    assert version_folder("crm", "vip", 7) == ("crm", "vip", "version=7")
    assert chunk_name(0, Format.CSV_GZ) == "part-00000.csv.gz"


@slowly
@given(exports, segments, versions)
def test_every_part_is_a_safe_name(export, segment, version):
    for part in version_folder(export, segment, version):
        assert part not in (".", "..")
        assert not set(part) & set("/\\\0\n")
        assert len(part) <= 127


@slowly
@given(segments, segments)
def test_different_segments_have_different_folders(one, other):
    same = version_folder("e", one, 1) == version_folder("e", other, 1)

    assert same == (one == other)


def test_a_segment_with_a_reserved_name_gets_a_folder_every_system_takes():
    assert version_folder("crm", "con", 1)[1] == "con-"


@pytest.mark.parametrize(
    ("export", "segment"),
    [
        ("..", "a"),
        ("a", ".."),
        ("a/b", "c"),
        ("a", "\0"),
        ("a", "b\n"),
        ("", "a"),
        ("a", "b" * 128),
    ],
)
def test_an_unsafe_name_never_becomes_a_folder(export, segment):
    with pytest.raises(TerminalError):
        version_folder(export, segment, 1)


@slowly
@given(st.integers(0, 10**7), st.sampled_from(list(Format)), st.integers(1, 2**62))
def test_a_staged_name_is_hidden_and_tells_its_fence(number, form, fence):
    name = chunk_name(number, form)
    hidden = staged_name(name, fence)

    assert CHUNK_PATTERN.fullmatch(name)
    assert staged_fence(name) is None
    assert hidden.startswith(".")
    assert not CHUNK_PATTERN.fullmatch(hidden)
    assert staged_fence(hidden) == fence
