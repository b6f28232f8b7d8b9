"""What an action on several segments did to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection

from muster_core.errors import InvalidInput, MusterError, Problem, TransientError

#: The outcome of a segment an action did nothing to, for the reason told with it.
REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """What became of one segment."""

    name: str
    #: ``changed``, ``unchanged``, ``deleted``, ``restored``, ``requested`` or ``refused``.
    outcome: str
    #: Why it was refused: the stable code of the error, and its words.
    code: str | None = None
    message: str | None = None
    problems: list[Problem] = field(default_factory=list)
    #: What was done all the same, though it may not be meant.
    warnings: list[Problem] = field(default_factory=list)
    #: The run that was asked for.
    run_id: int | None = None

    @property
    def refused(self) -> bool:
        """Whether nothing was done."""
        return self.outcome == REFUSED

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


def refusal(name: str, error: MusterError) -> SegmentResult:
    """Return that a segment was refused because of `error`."""
    problems = error.problems if isinstance(error, InvalidInput) else []
    return SegmentResult(
        name=name, outcome=REFUSED, code=error.code, message=str(error), problems=list(problems)
    )


class Results:
    """Gathers what becomes of each segment; what goes wrong with one leaves the others alone."""

    def __init__(self, connection: Connection) -> None:
        """Gather within the transaction of `connection`."""
        self._connection = connection
        self.found: dict[str, SegmentResult] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Do something to one segment; an error that is not about a part takes back only that.

        Raises:
            TransientError: a part does not answer; nothing at all is done.
        """
        try:
            with self._connection.begin_nested():
                yield
        except TransientError:
            raise
        except MusterError as exc:
            self.found[name] = refusal(name, exc)

    def add(self, name: str, outcome: str, **more: Any) -> None:
        """Note what became of a segment."""
        self.found[name] = SegmentResult(name=name, outcome=outcome, **more)
