"""Addresses in object stores: what is one, how it is kept, and that no secret is repeated."""

from __future__ import annotations

import pytest

from muster_core.errors import TerminalError
from muster_core.lake.address import is_remote, read_remote


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("s3://bucket/a/b c/d=%20", "s3://bucket/a/b c/d=%20"),
        ("s3a://bucket/a/", "s3://bucket/a"),
        ("S3://bucket", "s3://bucket"),
        ("abfs://box@account/a", "abfs://box@account/a"),
        ("abfss://box@account.dfs.core.windows.net/a", "abfs://box@account/a"),
    ],
)
def test_an_address_is_kept_in_one_form(written, kept):
    assert str(read_remote(written)) == kept
    assert is_remote(written)


@pytest.mark.parametrize(
    "written",
    [
        "s3://AKIAKEY:hidden@bucket/a",
        "abfs://box:hidden@account/a",
        "abfs://box/a",
        "s3:///a",
        "s3://bucket/a//b",
        "abfs://box@account/../other",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_secret(written):
    with pytest.raises(TerminalError) as refused:
        read_remote(written)
    assert "hidden" not in f"{refused.value} {refused.value.hint}"


def test_paths_are_not_remote():
    assert not any(map(is_remote, ["/data/s3", "data", "file:///data", "C:/data", "gs://bucket/a"]))
