from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from muster_core.errors import NoSpace, TargetUnavailable
from muster_core.exports.manifest import DeliveredFile, Latest
from muster_core.exports.target import folder_errors
from muster_exporter.sinks.folder import FolderSink

PARTS = ("crm", "vip", "version=1")


def sink(target: Path, version: int = 1, fence: int = 10) -> FolderSink:
    return FolderSink(str(target), ("crm", "vip", f"version={version}"), fence=fence)


def latest(version: int) -> Latest:
    return Latest(
        segment_version=version, manifest=f"version={version}/manifest.json", manifest_sha256="0"
    )


def test_a_file_appears_whole_under_its_name(tmp_path):
    with sink(tmp_path) as folder:
        with folder.stage("part-00000.csv") as staged:
            staged.write(b"half")
            assert os.listdir(tmp_path.joinpath(*PARTS)) == [".part-00000.csv.10.part"]
            staged.write(b" and half")
        sent = DeliveredFile(name="part-00000.csv", rows=1, size=staged.size, sha256=staged.sha256)

        assert tmp_path.joinpath(*PARTS, sent.name).read_bytes() == b"half and half"
        assert folder.holds(sent)


def test_files_are_for_the_owner_and_the_group_only(tmp_path):
    before = os.umask(0)
    try:
        with sink(tmp_path) as folder, folder.stage("part-00000.csv") as staged:
            staged.write(b"x")
    finally:
        os.umask(before)

    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (tmp_path / "crm").rglob("*")}
    assert modes == {"vip": "0o750", "version=1": "0o750", "part-00000.csv": "0o640"}


def test_a_failing_writer_leaves_no_trace(tmp_path):
    def write_half(folder: FolderSink) -> None:
        with folder.stage("part-00000.csv") as staged:
            staged.write(b"half")
            raise ValueError("stop")

    with sink(tmp_path) as folder, pytest.raises(ValueError, match="stop"):
        write_half(folder)

    assert os.listdir(tmp_path.joinpath(*PARTS)) == []


def test_a_changed_file_is_not_taken_for_the_acknowledged_one(tmp_path):
    with sink(tmp_path) as folder:
        with folder.stage("part-00000.csv") as staged:
            staged.write(b"right")
        sent = DeliveredFile(name="part-00000.csv", rows=1, size=staged.size, sha256=staged.sha256)
        tmp_path.joinpath(*PARTS, sent.name).write_bytes(b"wrong")

        assert not folder.holds(sent)
        assert not folder.holds(sent.model_copy(update={"name": "part-00001.csv"}))


def test_only_what_older_holders_left_is_removed(tmp_path):
    folder = tmp_path.joinpath(*PARTS)
    folder.mkdir(parents=True)
    for name in (".part-00000.csv.9.part", ".part-00000.csv.11.part", ".hidden", "notes.txt"):
        (folder / name).write_bytes(b"")

    with sink(tmp_path, fence=10) as opened:
        opened.remove_stale()

    assert sorted(os.listdir(folder)) == [".hidden", ".part-00000.csv.11.part", "notes.txt"]


def test_files_of_an_earlier_definition_go_and_foreign_files_stay(tmp_path):
    folder = tmp_path.joinpath(*PARTS)
    folder.mkdir(parents=True)
    for name in ("part-00000.csv", "part-00001.csv", "part-00000.parquet", "notes.txt"):
        (folder / name).write_bytes(b"")

    with sink(tmp_path) as opened:
        opened.keep_only(frozenset({"part-00000.csv"}))

    assert sorted(os.listdir(folder)) == ["notes.txt", "part-00000.csv"]


def test_the_pointer_never_goes_back(tmp_path):
    pointer = tmp_path / "crm" / "vip" / "latest.json"
    with sink(tmp_path, 6) as newer, sink(tmp_path, 5) as older:
        assert newer.point_latest(latest(6))
        assert not older.point_latest(latest(5))

    assert Latest.model_validate_json(pointer.read_bytes()).segment_version == 6


def test_racing_exporters_leave_the_newest_version_in_the_pointer(tmp_path):
    pointer = tmp_path / "crm" / "vip" / "latest.json"
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if pointer.exists():
                seen.append(Latest.model_validate_json(pointer.read_bytes()).segment_version)

    def point(version: int) -> None:
        with sink(tmp_path, version, fence=version) as folder:
            folder.point_latest(latest(version))

    watcher = threading.Thread(target=watch)
    watcher.start()
    racers = [threading.Thread(target=point, args=(v,)) for v in (3, 9, 1, 8, 2, 7, 5, 4, 6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    over.set()
    watcher.join()

    assert seen == sorted(seen)
    assert Latest.model_validate_json(pointer.read_bytes()).segment_version == 9


def test_an_unreadable_pointer_is_replaced(tmp_path):
    with sink(tmp_path) as folder:
        (tmp_path / "crm" / "vip" / "latest.json").write_bytes(b"{")

        assert folder.point_latest(latest(1))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_link_inside_the_target_is_not_followed(tmp_path, depth):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    parent = target.joinpath(*PARTS[: depth - 1])
    parent.mkdir(parents=True)
    (parent / PARTS[depth - 1]).symlink_to(outside)

    with pytest.raises(TargetUnavailable, match="link"), sink(target):
        pass

    assert os.listdir(outside) == []


def test_a_target_that_is_not_there_says_so(tmp_path):
    with pytest.raises(TargetUnavailable, match="does not exist"), sink(tmp_path / "gone"):
        pass


def test_a_target_that_is_a_file_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(TargetUnavailable, match="not a folder"), sink(tmp_path / "file"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_as_such(number):
    with pytest.raises(NoSpace, match="/srv"), folder_errors("/srv"):
        raise OSError(number, os.strerror(number))
