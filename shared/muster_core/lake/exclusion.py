"""Who is left out of what is delivered or shown though they are members.

Three reasons: they were erased, they belong to a segment that an export never sends, or they are in an export's
holdout. Each is decided partition by partition, by the place of a customer in the store or by the key.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.key import hash_texts, key_text
from muster_core.lake.manifest import MatrixFile, Pointer
from muster_core.lake.matrix import Matrix
from muster_core.lake.seed import PARTITION_SEED
from muster_core.lake.store import Store
from muster_core.security.erasure import ErasedCustomer, place_of

Bits = NDArray[np.bool_]

#: Partitions whose erased customers are remembered; an entry is a few numbers.
_REMEMBERED = 8192


class Exclusion(Protocol):
    """One reason to leave customers out."""

    def mask(self, store: Store, number: int) -> Bits:
        """Return, per ordinal of a partition, who is left out.

        Raises:
            StoreDamaged: what decides it cannot be read, or does not belong to the store.
        """

    def files(self, store: Store) -> Sequence[MatrixFile]:
        """Return the files of the lake, beside the profile, that decide it."""


class Erased:
    """Leaves out customers who were erased."""

    def __init__(self, customers: Sequence[ErasedCustomer]) -> None:
        """Know whom to leave out; no key stands here, only keyed hashes."""
        self._customers = customers

    def mask(self, store: Store, number: int) -> Bits:
        """Return who was erased."""
        found = np.zeros(store.partition(number).size, dtype=np.bool_)
        found[self.ordinals(store, number)] = True
        return found

    def files(self, store: Store) -> Sequence[MatrixFile]:
        """Return nothing: the profile alone decides."""
        return ()

    def ordinals(self, store: Store, number: int) -> NDArray[np.int64]:
        """Return the ordinals of the customers who were erased, in one partition."""
        partitions = store.manifest.partitions
        here = [c for c in self._customers if c.place % partitions == number]
        if not here:
            return np.zeros(0, dtype=np.int64)
        file = next((f for f in store.manifest.profile if f.partition == number), None)
        sha256 = "" if file is None else file.sha256
        name: tuple[str | bytes, ...] = (sha256, *(c.digest for c in here))
        with _LOCK:
            known = _KNOWN.get(name)
        if known is None:
            known = _search(key_texts(store, number), here)
            with _LOCK:
                while len(_KNOWN) >= _REMEMBERED:
                    del _KNOWN[next(iter(_KNOWN))]
                _KNOWN[name] = known
        return known


_KNOWN: dict[tuple[str | bytes, ...], NDArray[np.int64]] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """Leaves out the members of another segment."""

    segment: str
    matrix: Matrix
    bit: int

    @classmethod
    def open(cls, store: Store, segment: str, pointer: Pointer) -> Suppressed:
        """Open a published version of a segment whose members are never sent.

        Raises:
            StoreDamaged: the matrix is missing, or numbers its customers otherwise than the store; nobody could
                be told apart then, so nothing may be sent.
        """
        matrix = Matrix.open(store.lake, pointer.manifest, pointer.manifest_sha256)
        basis = matrix.manifest
        other = Store.open(store.lake, basis.snapshot, basis.snapshot_sha256)
        if other.manifest.generation != store.manifest.generation:
            raise StoreDamaged(
                f"The segment {segment}, which is never sent, numbers its customers differently."
            )
        return cls(segment=segment, matrix=matrix, bit=pointer.bit)

    def mask(self, store: Store, number: int) -> Bits:
        """Return the members of the segment; it has no bit for customers that came later."""
        size = store.partition(number).size
        found = np.zeros(size, dtype=np.bool_)
        bits = self.matrix.bits(self.bit, number)[:size]
        found[: len(bits)] = bits
        return found

    def files(self, store: Store) -> Sequence[MatrixFile]:
        """Return the files of the segment's matrix."""
        return self.matrix.manifest.files


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Leaves out a share of all customers, always the same ones for the same name."""

    #: From 0 to 1.
    share: float
    name: str

    def mask(self, store: Store, number: int) -> Bits:
        """Return who is in the holdout."""
        return in_holdout(key_texts(store, number), share=self.share, name=self.name)

    def files(self, store: Store) -> Sequence[MatrixFile]:
        """Return nothing: the key alone decides."""
        return ()


def in_holdout(keys: Any, *, share: float, name: str) -> Bits:
    """Return which of these canonical key texts belong to the holdout `name`, about `share` of all.

    It depends on the key and the name alone, so it is the same in every version, and in every release.
    """
    salt = np.uint64(xxhash.xxh64_intdigest(name.encode(), seed=PARTITION_SEED))
    # the finish of SplitMix64: names that differ little give sets that have nothing in common
    mixed = hash_texts(keys) ^ salt
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    found: Bits = (mixed >> np.uint64(11)).astype(np.float64) < share * float(1 << 53)
    return found


def key_texts(store: Store, number: int) -> Any:
    """Return the canonical key texts of a partition, one for each ordinal."""
    name = store.manifest.catalog.key
    column = store.partition(number).profile([name])[name]
    if pa.types.is_null(column.type):
        return pa.array([], pa.string())
    return key_text(
        column.cast(column.type.value_type) if _coded(column) else column
    ).combine_chunks()


def _coded(column: Any) -> bool:
    return bool(pa.types.is_dictionary(column.type))


def _search(keys: Any, customers: Sequence[ErasedCustomer]) -> NDArray[np.int64]:
    """Return where these customers stand among the keys."""
    places = {customer.place for customer in customers}
    found = []
    for ordinal, key in enumerate(keys.to_pylist()):
        # most keys are told apart by the cheap hash; the keyed one decides
        if key is None or place_of(key) not in places:
            continue
        if any(customer.is_key(key) for customer in customers):
            found.append(ordinal)
    return np.array(found, dtype=np.int64)
