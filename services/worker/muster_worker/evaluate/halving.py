"""Finding the segment that makes a batch fail: halve until the guilty one stands alone.

All parts of one batch share snapshot and `as_of`, so a member list does not depend on how it was cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from muster_core.errors import MusterError, TerminalError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Failures without one result after which the data is to blame: a batch, its halves, quarters and eighths.
#: So up to seven guilty ones are found wherever they stand.
_PATIENCE = 15


@dataclass(slots=True)
class Halved(Generic[Item, Result]):
    """What came of a batch: results of the parts that succeeded, and who stood alone with which error."""

    results: list[Result] = field(default_factory=list)
    guilty: list[tuple[Item, MusterError]] = field(default_factory=list)


def halve(
    items: Sequence[Item],
    evaluate: Callable[[Sequence[Item]], Result],
    *,
    failed: TerminalError | None = None,
    proven: bool = False,
) -> Halved[Item, Result]:
    """Evaluate `items` together, and in ever smaller halves what fails together.

    Args:
        items: what to evaluate.
        evaluate: evaluates a part of them.
        failed: how all of them together failed already; they are not tried like that again.
        proven: something else succeeded on the same data, so that the data is not to blame.

    Raises:
        TransientError: evaluation met a fault that is nobody's guilt.
        TerminalError: every part failed, from one end to the other: not one segment but what all of them read is the cause.
    """
    found: Halved[Item, Result] = Halved()
    failures = 0
    # larger parts first: all over the batch a part is tried before one of them is looked at closely
    waiting = deque([list(items)])
    while waiting:
        part = waiting.popleft()
        try:
            if failed is not None:
                known, failed = failed, None
                raise known
            found.results.append(evaluate(part))
        except TerminalError as exc:
            failures += 1
            if failures >= _PATIENCE and not (found.results or proven):
                raise
            if len(part) == 1:
                found.guilty.append((part[0], exc))
            else:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
    return found
