import errno
import os
import resource

import pytest

from muster_core.errors import NoSpace, StoreDamaged, TerminalError, TransientError
from muster_core.lake.failure import lake_errors
from muster_core.lake.location import Lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def test_what_is_written_is_read_back(lake):
    lake.write_bytes("a/b.json", b"one")
    lake.write_bytes("a/b.json", b"two")
    assert lake.read_bytes("a/b.json") == b"two"
    assert [p.name for p in (lake.root / "a").iterdir()] == ["b.json"]


def test_a_file_url_names_the_same_place(lake):
    lake.write_bytes("x y", b"1")
    assert Lake(lake.root.as_uri()).read_bytes("x y") == b"1"


def test_an_output_knows_its_size_and_hash(lake):
    with lake.open_output("data") as output:
        output.write(b"abc")
    assert (output.size, output.sha256) == lake.digest("data")


def test_an_output_that_fails_leaves_no_file(lake):
    def write() -> None:
        with lake.open_output("data") as output:
            output.write(b"abc")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write()
    assert not lake.exists("data")


def test_nothing_is_written_through_a_closed_output(lake):
    with lake.open_output("data") as output:
        output.write(b"abc")
    with pytest.raises(ValueError, match="closed"):
        output.write(b"d")


def test_an_output_never_overwrites(lake):
    lake.write_bytes("data", b"old")
    with pytest.raises(FileExistsError):
        lake.open_output("data")


def test_a_missing_file_is_damage_that_names_the_file(lake):
    with pytest.raises(StoreDamaged, match=r"part-1\.parquet"):
        lake.open_input("part-1.parquet")
    with pytest.raises(StoreDamaged, match="no file gone"):
        lake.read_bytes("gone")


def test_a_full_disk_is_worth_a_retry_and_leaves_nothing_half_written(lake):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(NoSpace, match="No space is left"):
            lake.write_bytes("big", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(lake.root.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_every_way_a_disk_says_full_is_understood(number):
    with pytest.raises(NoSpace), lake_errors("file"):
        raise OSError(number, "full")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.EROFS])
def test_trouble_of_the_disk_is_worth_a_retry_and_says_what_it_was(number):
    reason = f"The lake failed at file: {os.strerror(number)}"
    with pytest.raises(TransientError, match=reason), lake_errors("file"):
        raise OSError(number, "broken")


def test_errors_of_arrow_and_without_number_are_translated_too():
    with pytest.raises(TransientError, match="no reason given"), lake_errors("file"):
        raise OSError("Error reading bytes from file")


def test_no_path_leads_out_of_the_lake(lake):
    for path in ("../secret", "/etc/passwd", "a/../../b"):
        with pytest.raises(StoreDamaged, match="outside"):
            lake.read_bytes(path)


def test_addresses_that_cannot_be_a_lake_are_refused_clearly():
    with pytest.raises(TerminalError, match="gs:// is not supported"):
        Lake("gs://bucket/lake")
    with pytest.raises(TerminalError, match="not absolute"):
        Lake("lake")
