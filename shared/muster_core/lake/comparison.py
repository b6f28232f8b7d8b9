"""Two versions of one segment against each other: who joined and who left, partition by partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.exclusion import Erased
from muster_core.lake.key import key_text
from muster_core.lake.location import Lake
from muster_core.lake.manifest import Pointer
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store
from muster_core.security.erasure import ErasedCustomer

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMembers:
    """The members of a version, with a snapshot that knows the keys of all of them."""

    store: Store
    matrix: Matrix
    bit: int
    #: Whose keys are never told, though they count.
    erased: Erased

    @classmethod
    def open(
        cls,
        lake: Lake,
        snapshot: tuple[str, str],
        pointer: Pointer,
        erased: Sequence[ErasedCustomer] = (),
    ) -> KeptMembers:
        """Open the members `pointer` names over a snapshot (path and SHA-256) of the same numbering.

        The keys of customers who were `erased` are left out wherever keys are told.

        Raises:
            StoreDamaged: a manifest is missing, or the two number their customers differently.
        """
        store = Store.open(lake, *snapshot)
        matrix = Matrix.open(lake, pointer.manifest, pointer.manifest_sha256)
        basis = matrix.manifest
        if basis.snapshot_sha256 != snapshot[1]:
            other = Store.open(lake, basis.snapshot, basis.snapshot_sha256)
            if other.manifest.generation != store.manifest.generation:
                raise StoreDamaged(
                    "The matrix and the snapshot number their customers differently."
                )
        return cls(store=store, matrix=matrix, bit=pointer.bit, erased=Erased(erased))

    @property
    def partitions(self) -> int:
        """Return how many partitions the members are in."""
        return self.store.manifest.partitions

    def bits(self, partition: int) -> Bits:
        """Return who was a member, by ordinal; whoever is gone since is among them."""
        return self.matrix.bits(self.bit, partition)

    def keys(self, partition: int, chosen: Bits) -> Any:
        """Return the canonical keys of chosen customers, as an Arrow array of text, in ordinal order."""
        told = np.flatnonzero(chosen)
        told = told[~np.isin(told, self.erased.ordinals(self.store, partition))]
        if not len(told):
            return pa.array([], pa.string())
        name = self.store.manifest.catalog.key
        keys = self.store.partition(partition).profile([name])[name].combine_chunks()
        return key_text(keys.take(pa.array(told))).cast(pa.string())


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Who joined and who left in one partition: their number, and their keys where these were asked for."""

    joined: int
    left: int
    joined_keys: Any = None
    left_keys: Any = None


def differences(
    before: KeptMembers, after: KeptMembers, *, keys: bool = False
) -> Iterator[Difference]:
    """Yield what changed from `before` to `after`, a partition at a time.

    Versions that number their customers differently are compared by key, in one step.
    """
    if before.store.manifest.generation != after.store.manifest.generation:
        yield _by_key(before, after)
        return
    for number in range(max(before.partitions, after.partitions)):
        old, new = _aligned(before.bits(number), after.bits(number))
        joined, left = new & ~old, old & ~new
        yield Difference(
            joined=int(joined.sum()),
            left=int(left.sum()),
            joined_keys=after.keys(number, joined) if keys else None,
            left_keys=before.keys(number, left) if keys else None,
        )


def _aligned(old: Bits, new: Bits) -> tuple[Bits, Bits]:
    size = max(len(old), len(new))
    return np.pad(old, (0, size - len(old))), np.pad(new, (0, size - len(new)))


def _by_key(before: KeptMembers, after: KeptMembers) -> Difference:
    old, new = _all_keys(before), _all_keys(after)
    joined = new.filter(pc.invert(pc.is_in(new, value_set=old)))
    left = old.filter(pc.invert(pc.is_in(old, value_set=new)))
    return Difference(joined=len(joined), left=len(left), joined_keys=joined, left_keys=left)


def _all_keys(members: KeptMembers) -> Any:
    parts = [members.keys(n, members.bits(n)) for n in range(members.partitions)]
    return pa.concat_arrays([*parts, pa.array([], pa.string())])
