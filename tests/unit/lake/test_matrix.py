import numpy as np
import pytest

from muster_core.errors import StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixManifest
from muster_core.lake.matrix import Matrix, write_manifest, write_words
from muster_core.lake.store import verify


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def write(lake, words):
    file = write_words(lake, "matrix/1", 3, words)
    manifest = MatrixManifest(
        snapshot="store/s.json",
        snapshot_sha256="0",
        as_of="2026-01-01T00:00:00Z",
        plan_sha256="0",
        words=words.shape[1],
        segments={},
        counts={},
        files=[file],
    )
    return file, write_manifest(lake, "matrix/1", manifest)


def test_every_bit_comes_back_where_it_was_put(lake):
    bits = np.random.default_rng(1).random((1000, 128)) < 0.3
    packed = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    _, (path, sha256) = write(lake, packed)
    matrix = Matrix.open(lake, path, sha256)
    for bit in (0, 1, 63, 64, 127):
        assert np.array_equal(matrix.bits(bit, 3), bits[:, bit])


def test_a_partition_without_customers_has_no_members(lake):
    _, (path, sha256) = write(lake, np.zeros((0, 1), dtype=np.uint64))
    matrix = Matrix.open(lake, path, sha256)
    assert len(matrix.bits(0, 3)) == 0
    assert len(matrix.bits(0, 7)) == 0


def test_a_bit_beyond_the_words_is_damage(lake):
    _, (path, sha256) = write(lake, np.zeros((5, 1), dtype=np.uint64))
    with pytest.raises(StoreDamaged, match="no word 1"):
        Matrix.open(lake, path, sha256).bits(64, 3)


def test_a_changed_manifest_is_not_opened(lake):
    _, (path, sha256) = write(lake, np.zeros((5, 1), dtype=np.uint64))
    lake.write_bytes(path, lake.read_bytes(path).replace(b'"words":1', b'"words":2'))
    with pytest.raises(StoreDamaged, match="not the one"):
        Matrix.open(lake, path, sha256)


def test_a_changed_file_is_found_before_it_is_used(lake):
    file, _ = write(lake, np.zeros((5, 1), dtype=np.uint64))
    verify(lake, file)
    data = bytearray(lake.read_bytes(file.path))
    data[10] ^= 1
    lake.write_bytes(file.path, bytes(data))
    with pytest.raises(StoreDamaged, match=r"not the one its manifest names"):
        verify(lake, file)
