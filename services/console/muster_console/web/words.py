"""What people read in the console: errors with what to do, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from muster_console.web.builder.timing import daily_words
from muster_core.errors import InvalidInput, MusterError, Problem, TransientError
from muster_core.schedules.schedule import ScheduleKind

_log = structlog.get_logger()
_SCHEDULES: Mapping[str, str] = {
    ScheduleKind.SYSTEM: "system refresh",
    ScheduleKind.OFF: "never by itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong, in words; `passing` says that trying again may help."""

    text: str
    hint: str | None = None
    problems: list[Problem] = field(default_factory=list)
    passing: bool = False

    @property
    def line(self) -> str:
        """Return it on one line."""
        listed = "; ".join(placed_line(problem) for problem in self.problems[:5])
        more = len(self.problems) - 5
        tail = f"; and {more} more" if more > 0 else ""
        return " ".join(part for part in (self.text, self.hint, listed + tail) if part)


def explain_error(exc: Exception) -> Trouble:
    """Return what to tell about `exc`; what nobody thought of goes to the log, and only there."""
    if isinstance(exc, InvalidInput):
        return Trouble(text=exc.message, problems=list(exc.problems))
    if isinstance(exc, MusterError):
        return Trouble(text=exc.message, hint=exc.hint, passing=isinstance(exc, TransientError))
    _log.error("console.page_broke", error_class=type(exc).__name__, exc_info=exc)
    return Trouble(text="Something broke; the log of the console says more.")


def problem_line(problem: Problem) -> str:
    """Return a problem on one line, with its place and what to do."""
    place = f"line {problem.line}: " if problem.line else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{place}{problem.message}{hint}"


def placed_line(problem: Problem) -> str:
    """Return a problem on one line that says first which part of a document it is about."""
    if not problem.pointer:
        return problem_line(problem)
    parts = [part.replace("~1", "/").replace("~0", "~") for part in problem.pointer.split("/")[1:]]
    # people count entries from 1
    named = ", ".join(str(int(part) + 1) if part.isdecimal() else part for part in parts)
    return f"{named}: {problem_line(problem)}"


def schedule_words(type_: str, schedule: str) -> str:
    """Return when a segment is refreshed; `schedule` is as its line has it, and no schedule refreshes a static one."""
    if type_ == "static":
        return "by hand"
    cron, _, zone = schedule.rpartition(" ")
    daily = daily_words(cron)
    return _SCHEDULES.get(schedule, schedule if daily is None else f"{daily}, {zone}")
