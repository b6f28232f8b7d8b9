"""The seed of the hash of keys: what needs it alone does not need Arrow."""

from __future__ import annotations

#: Seed of the hash that decides a customer's partition.
PARTITION_SEED = 42
