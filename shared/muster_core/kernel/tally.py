"""What a task reports of each segment: counts only, which add up over partitions.

On their way they are one vector in the order of the plan, where a condition shared by many segments is
counted once; the plan turns their sum into a `Tally` for each segment.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from muster_core.errors import TerminalError
from muster_core.kernel.plan import Plan

#: First (count, joined, left) of every segment, then every condition, then after every rule of every segment.
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one segment.

    `nodes` is members by JSON pointer, for every rule and condition; `running` is the members of the result
    after each rule; `joined` and `left` are against the version before.
    """

    count: int
    joined: int
    left: int
    nodes: Mapping[str, int] = field(default_factory=dict)
    running: tuple[int, ...] = ()


def length_of(plan: Plan) -> int:
    """Return how many counts a plan yields."""
    rules = sum(len(segment.rules) for segment in plan.segments)
    return 3 * len(plan.segments) + len(plan.conditions) + rules


def tallies_of(plan: Plan, counts: Counts) -> dict[int, Tally]:
    """Return the tally of every segment by its id."""
    return dict(_tallies(plan, counts))


def _tallies(plan: Plan, counts: Counts) -> Iterator[tuple[int, Tally]]:
    heads = counts[: 3 * len(plan.segments)].reshape(-1, 3)
    conditions = counts[heads.size : heads.size + len(plan.conditions)].tolist()
    running = counts[heads.size + len(conditions) :].tolist()
    at = 0
    for segment, (count, joined, left) in zip(plan.segments, heads.tolist(), strict=True):
        end = at + len(segment.rules)
        yield (
            segment.segment_id,
            Tally(
                count=count,
                joined=joined,
                left=left,
                nodes={pointer: conditions[place] for pointer, place in segment.nodes.items()},
                running=tuple(running[at:end]),
            ),
        )
        at = end


def pack_counts(counts: Counts) -> bytes:
    """Return counts as few bytes: an engine holds the answers of all partitions at once."""
    return zlib.compress(counts.astype("<i8").tobytes(), 1)


def unpack_counts(plan: Plan, data: bytes) -> Counts:
    """Read what `pack_counts` returned.

    Raises:
        TerminalError: these are not the counts of `plan`.
    """
    try:
        counts = np.frombuffer(zlib.decompress(data), dtype="<i8")
    except (zlib.error, ValueError) as exc:
        raise TerminalError("The counts of a partition cannot be read.") from exc
    if len(counts) != length_of(plan):
        raise TerminalError(f"A partition has {len(counts)} counts instead of {length_of(plan)}.")
    return counts.astype(np.int64)
