"""What every destination of files promises, held against a real server of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.exporter.destination import CANARY, FILES, Destination
from tests.object_store import deny

from muster_core.errors import TargetRefused
from muster_core.exports.capability import CAPABILITIES
from muster_core.exports.manifest import DeliveredFile, Latest
from muster_core.settings import Settings
from muster_core.storage.connection import OpenedConnection
from muster_exporter.opening import FILE_SINKS, file_sink
from muster_exporter.sink import FileSink, Staged

pytestmark = pytest.mark.integration

SETTINGS = Settings(outbound_allow="127.0.0.1")
PLACE = "crm/vip/version=1"


@pytest.fixture(params=sorted(FILES))
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """A destination of each kind."""
    root = tmp_path / "there"
    root.mkdir()
    # unique for the servers of the session
    named = root.rename(tmp_path / f"there-{abs(hash(tmp_path)):x}")
    return FILES[request.param](request, named)


def sink(there: Destination, version: int = 1, fence: int = 10) -> FileSink:
    parts = ("crm", "vip", f"version={version}")
    return file_sink(there.opened, SETTINGS, parts, fence=fence)


def send(place: FileSink, name: str, data: bytes) -> DeliveredFile:
    with place.stage(name) as staged:
        staged.write(data)
    return DeliveredFile(name=name, rows=1, size=staged.size, sha256=staged.sha256)


def latest(version: int) -> Latest:
    return Latest(
        segment_version=version, manifest=f"version={version}/manifest.json", manifest_sha256="0"
    )


def visible(there: Destination) -> dict[str, bytes]:
    return {n: d for n, d in there.files().items() if not n.rsplit("/", 1)[-1].startswith(".")}


def test_every_kind_that_takes_files_passes_this_suite():
    assert set(FILES) == set(FILE_SINKS) == {k for k, c in CAPABILITIES.items() if c.files}


def test_a_file_appears_whole_under_its_name(there):
    with sink(there) as place:
        with place.stage("part-00000.csv") as staged:
            staged.write(b"half")
            assert visible(there) == {}
            staged.write(b" and half")
        sent = DeliveredFile(name="part-00000.csv", rows=1, size=13, sha256=staged.sha256)

        assert there.files() == {f"{PLACE}/part-00000.csv": b"half and half"}
        assert staged.size == 13
        assert place.holds(sent)


def test_a_large_file_arrives_byte_for_byte(there):
    data = bytes(range(256)) * 80_000  # over several pieces, and no multiple of one
    with sink(there) as place, place.stage("part-00000.parquet") as staged:
        for start in range(0, len(data), 3_000_001):
            staged.write(data[start : start + 3_000_001])

    assert there.files() == {f"{PLACE}/part-00000.parquet": data}


def test_a_failing_writer_leaves_nothing_to_see(there):
    def write_half(place: FileSink) -> None:
        with place.stage("part-00000.csv") as staged:
            _fail(staged)

    with sink(there) as place, pytest.raises(ValueError, match="stop"):
        write_half(place)

    assert there.files() == {}


def _fail(staged: Staged) -> None:
    staged.write(b"half" * 5_000_000)
    raise ValueError("stop")


def test_another_file_is_not_taken_for_the_acknowledged_one(there):
    with sink(there) as place:
        sent = send(place, "part-00000.csv", b"one")
        send(place, "part-00000.csv", b"two")

        assert not place.holds(sent)
        assert not place.holds(sent.model_copy(update={"name": "part-00001.csv"}))


def test_what_an_earlier_holder_left_half_written_is_removed(there):
    with sink(there, fence=9) as earlier:
        left = earlier.stage("part-00000.csv")
        staged = left.__enter__()
        staged.write(b"half" * 5_000_000)
        with sink(there, fence=10) as place:
            place.remove_stale()
            sent = send(place, "part-00000.csv", b"whole")

            assert there.files() == {f"{PLACE}/part-00000.csv": b"whole"}
            assert place.holds(sent)
        # the earlier holder comes to itself, and fails
        assert not left.__exit__(ValueError, ValueError("dead"), None)
    assert there.files() == {f"{PLACE}/part-00000.csv": b"whole"}


def test_files_of_an_earlier_definition_are_removed_and_no_others(there):
    with sink(there) as place:
        for name in ("part-00000.csv", "part-00000.csv.gz", "part-00001.csv.gz"):
            send(place, name, b"x")
        place.write_manifest(b"{}")
        place.keep_only(frozenset({"part-00000.csv.gz"}))

    assert set(there.files()) == {f"{PLACE}/part-00000.csv.gz", f"{PLACE}/manifest.json"}


def test_the_pointer_never_goes_back(there):
    for version, moved in ((2, True), (1, False), (2, True), (3, True)):
        with sink(there, version) as place:
            assert place.point_latest(latest(version)) is moved
        found = Latest.model_validate_json(there.files()["crm/vip/latest.json"])
        assert found.segment_version == max(2, version)


def test_a_pointer_that_nobody_can_read_is_replaced(there):
    with sink(there) as place:
        place.point_latest(latest(1))
    with file_sink(there.opened, SETTINGS, ("crm", "vip"), fence=1) as folder:
        send(folder, "latest.json", b"no json")
    with sink(there, 5) as place:
        assert place.point_latest(latest(5))


def test_a_probe_leaves_nothing(there):
    with file_sink(there.opened, SETTINGS, (), fence=0) as place:
        place.probe()

    assert there.files() == {}


def test_wrong_credentials_are_refused_for_good_and_told_nowhere(there):
    if there.wrong_secret is None:
        pytest.skip("a folder has no credentials")
    opened = OpenedConnection(target=there.target, secret=there.credentials(there.wrong_secret))

    def try_it() -> None:
        with file_sink(opened, SETTINGS, (), fence=0) as place:
            place.probe()

    with pytest.raises(TargetRefused) as caught:
        try_it()
    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"
    assert there.files() == {}


def test_an_address_that_is_not_allowed_is_never_connected_to(there):
    if there.document["kind"] == "folder":
        pytest.skip("a folder has no address")

    def try_it() -> None:
        with file_sink(there.opened, Settings(), (), fence=0) as place:
            place.probe()

    with pytest.raises(Exception, match="MUSTER_OUTBOUND_ALLOW") as caught:
        try_it()
    assert caught.value.code == "address_refused"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "action", ["GetObject", "PutObject", "DeleteObject", "ListBucket", "ListBucketMultipartUploads"]
)
def test_a_right_that_a_bucket_does_not_give_is_found_by_the_probe(
    request, tmp_path, s3_server, action
):
    there = FILES["s3"](request, tmp_path)
    deny(s3_server, f"s3:{action}")
    try:
        with (
            pytest.raises(TargetRefused, match="what they may do"),
            file_sink(there.opened, SETTINGS, (), fence=0) as place,
        ):
            place.probe()
    finally:
        deny(s3_server)
