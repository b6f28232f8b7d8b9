"""The tree of errors Muster raises; the docstring of a class is its default message.

Below the root, `TransientError` is worth a retry and `TerminalError` is not; nothing else decides that.
Foreign errors are translated where they enter, with ``from exc``.
No message ever holds a secret or a member's data: keys and values are counted, not quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

#: How the hint of an error that may pass says that nobody has to do anything.
_PROMISE = re.compile(r"[;.] (?:it is|the work is) tried again\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input: where (JSON pointer, file, line), what, and what to do."""

    message: str
    pointer: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None
    #: The line of an expression with a caret under the place.
    excerpt: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p is not None)
        where = " ".join(p for p in (place, self.pointer) if p)
        text = f"{where}: {self.message}" if where else self.message
        text = f"{text} ({self.hint})" if self.hint else text
        return f"{text}\n{self.excerpt}" if self.excerpt else text


class MusterError(Exception):
    """Muster could not do what it was asked to do."""

    #: Stable name kept in the column `error_class` and in --json output.
    code = "error"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def without_promise(self) -> str:
        """Return what is said where nothing is tried again by itself any more."""
        return _PROMISE.sub(".", str(self))


class TransientError(MusterError):
    """Something outside failed in a way that may pass; the work will be tried again."""

    code = "transient"


class TerminalError(MusterError):
    """The work cannot succeed until somebody changes something."""

    code = "terminal"


class InvalidInput(TerminalError):
    """The input has problems; nothing was changed."""

    code = "invalid_input"

    def __init__(self, problems: list[Problem], message: str | None = None) -> None:
        self.problems = problems
        lead = message or f"{len(problems)} problem{'s' if len(problems) != 1 else ''} found"
        super().__init__(f"{lead}; nothing was changed.")

    def listed(self, most: int = 20) -> str:
        """Return the first problems on one line, for where there is no room for a list."""
        more = len(self.problems) - most
        shown = [str(replace(problem, excerpt=None)) for problem in self.problems[:most]]
        return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


class NotFound(TerminalError):
    """There is no such thing."""

    code = "not_found"


class NotPermitted(TerminalError):
    """Only administrators may do this."""

    code = "not_allowed"


class Conflict(TerminalError):
    """Somebody else changed this meanwhile, or its state does not allow it."""

    code = "conflict"


class ChangedMeanwhile(Conflict):
    """Somebody else changed this meanwhile. Read it again and repeat your change."""

    code = "changed_meanwhile"


class NotAllowedToSee(TerminalError):
    """Member data is seen with the grant `members` only."""

    code = "not_allowed"


class NothingToSuppress(TerminalError):
    """Who an export must never send is not known; nothing was sent."""

    code = "nothing_to_suppress"


class SourceMissing(TerminalError):
    """A source file or folder does not exist or holds no Parquet file."""

    code = "source_missing"


class SourceUnreadable(TerminalError):
    """A source file is not readable Parquet or does not have the columns and types the catalog names."""

    code = "source_unreadable"


class SourceDenied(TerminalError):
    """A source's server does not let Muster in, or not read what the catalog names."""

    code = "source_denied"


class SourceShrunken(TerminalError):
    """A table has lost most of its rows since the last snapshot."""

    code = "source_shrunken"


class DuplicateKeys(TerminalError):
    """The profile table has several rows for one customer key."""

    code = "duplicate_keys"


class NullKeys(TerminalError):
    """The profile table has rows without a customer key."""

    code = "null_keys"


class StoreDamaged(TerminalError):
    """A file of the store or a matrix does not match its manifest."""

    code = "store_damaged"


class PoisonSegment(TerminalError):
    """One segment alone made its evaluation fail."""

    code = "poison_segment"


class KillerSegment(TransientError):
    """One segment alone made a process of the engine die."""

    code = "poison_segment"


class TaskMemoryExceeded(TerminalError):
    """One segment alone needs more memory than a task may take."""

    code = "task_memory_exceeded"


class UnreadableSegment(TerminalError):
    """The stored definition cannot be read. Apply the segment again."""

    code = "unreadable_segment"


class ReferenceNotFresh(TerminalError):
    """A segment is referred to whose members are not fresh, and the reference says to skip then."""

    code = "reference_not_fresh"


class ReferenceNeverPublished(TerminalError):
    """A segment is referred to that has no members yet."""

    code = "reference_never_published"


class InputNotFresh(TerminalError):
    """A table a segment reads is older or smaller than its freshness contract allows."""

    code = "input_not_fresh"


class ChangeTooLarge(TerminalError):
    """The new members differ too much from the last ones to be published unseen."""

    code = "change_too_large"


class RunTooLong(TransientError):
    """The evaluation took longer than a run may take, and was stopped."""

    code = "run_too_long"


class EpochOutdated(TerminalError):
    """PostgreSQL was restored or failed over, and fences given before may be given again."""

    code = "epoch_outdated"


class NoSpace(TransientError):
    """There is no space left on the disk of the lake or of the data directory."""

    code = "no_space"


class TargetUnavailable(TransientError):
    """The target of an export cannot be reached or does not take files."""

    code = "target_unavailable"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        answered: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        #: Whether the target itself said so: it is there, and not in order.
        self.answered = answered
        #: Seconds the target asked to be left alone; None where it said nothing.
        self.retry_after = retry_after


class TargetRefused(TerminalError):
    """The target of an export refuses the credentials, or what was asked of it."""

    code = "target_refused"


class TargetGone(TargetRefused):
    """The target of an export says that it will never take anything again."""

    code = "target_gone"


class PartUnavailable(TransientError):
    """A part Muster stands on (PostgreSQL, Redis) does not answer."""

    code = "part_unavailable"


class EngineUnavailable(TransientError):
    """The Spark engine does not answer or ended in the middle of a job."""

    code = "engine_unavailable"


class SourceUnavailable(TransientError):
    """A source's server does not answer, broke off, or took too long."""

    code = "source_unavailable"


class SourceTimeout(SourceUnavailable):
    """A source took longer than its statement or lock timeout allows."""

    code = "source_timeout"


class SnapshotMoved(TransientError):
    """Another preparation published first; this one is tried again on top of it."""

    code = "snapshot_moved"


class LeaseLost(TransientError):
    """The lease of this work was given to somebody else; nothing was written."""

    code = "lease_lost"
