"""Times of a day as people say them, and the cron expression that means the same."""

from __future__ import annotations

import re

from muster_console.web.builder.word import WEEKDAYS

_DAILY = re.compile(r"(\d{1,2}) +(\d{1,2}) +\* +\* +(\*|[0-7](?:[-,][0-7])*)")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?")
_SUNDAY = 7


def daily_of(cron: str) -> tuple[str, list[int]] | None:
    """Return the time, such as ``06:30``, and the weekdays, 1 for Monday, of a cron that means one time of a day.

    No weekday means every day; None is returned where the cron says more than that.
    """
    match = _DAILY.fullmatch(cron.strip())
    if match is None:
        return None
    minute, hour, days = int(match[1]), int(match[2]), _days_of(match[3])
    if minute > 59 or hour > 23 or days is None:
        return None
    return f"{hour:02}:{minute:02}", days


def cron_of(time: str, days: list[int]) -> str | None:
    """Return the cron of a time on these weekdays, all of them where there is none; None: it is no time."""
    match = _TIME.fullmatch(time.strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        return None
    chosen = sorted({day for day in days if day in WEEKDAYS})
    every = not chosen or len(chosen) == len(WEEKDAYS)
    return f"{int(match[2])} {int(match[1])} * * {'*' if every else _ranges(chosen)}"


def daily_words(cron: str) -> str | None:
    """Return a cron in words, such as ``06:30 Mon to Fri``; None where it means more than one time of a day."""
    found = daily_of(cron)
    if found is None:
        return None
    time, days = found
    short = {day: name[:3] for day, name in WEEKDAYS.items()}
    parts = [
        " to ".join(short[int(day)] for day in part.split("-"))
        for part in (_ranges(days).split(",") if days else ())
    ]
    return f"{time} {', '.join(parts) or 'every day'}"


def _days_of(field: str) -> list[int] | None:
    if field == "*":
        return []
    days: set[int] = set()
    for part in field.split(","):
        first, dash, last = part.partition("-")
        if "-" in last:
            return None
        ends = int(first), int(last if dash else first)
        if ends[0] > ends[1]:
            return None
        # cron has two numbers for Sunday
        days |= {day or _SUNDAY for day in range(ends[0], ends[1] + 1)}
    return sorted(days)


def _ranges(days: list[int]) -> str:
    """Return weekdays as cron has them: three or more that follow each other as a range."""
    parts: list[str] = []
    rest = list(days)
    while rest:
        run = [rest.pop(0)]
        while rest and rest[0] == run[-1] + 1:
            run.append(rest.pop(0))
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(day) for day in run]
    return ",".join(parts)
