"""Breaks of the product on purpose, each of which the conformance tests must notice.

A mutation replaces one piece of source text; the text must be there exactly once, so that a mutation that no
longer fits its file is found out too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One break: `old` becomes `new` in a file of `muster_core`."""

    name: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        name="the far edge of `last` belongs to the window",
        file="rules/window.py",
        old='return _ago(window.last, frame, "/last") + 1, now',
        new='return _ago(window.last, frame, "/last"), now',
    ),
    Mutation(
        name="`before_ago` leaves its edge out",
        file="rules/window.py",
        old='return None, _ago(window.before_ago, frame, "/before_ago")',
        new='return None, _ago(window.before_ago, frame, "/before_ago") - 1',
    ),
    Mutation(
        name="calendar windows are counted in UTC",
        file="rules/window.py",
        old="return to_local(frame.as_of, frame.zone).date()",
        new="return frame.as_of.date()",
    ),
    Mutation(
        name="days begin at midnight UTC",
        file="rules/instant.py",
        old="    midnight = datetime(day.year, day.month, day.day)\n",
        new="    midnight = datetime(day.year, day.month, day.day)\n    zone = ZoneInfo('UTC')\n",
    ),
    Mutation(
        name="a month step spills over the month's end",
        file="rules/duration.py",
        old="    return from_local(local.replace(year=year, month=month + 1, day=day), zone)\n",
        new="    moved = local.replace(year=year, month=month + 1, day=1) + timedelta(days=local.day - 1)\n"
        "    return from_local(moved, zone)\n",
    ),
    Mutation(
        name="rows after as_of are always visible",
        file="rules/row.py",
        old="        if not future:\n            now = to_micros(self.frame.as_of)\n",
        new="        if False:\n            now = to_micros(self.frame.as_of)\n",
    ),
    Mutation(
        name="include_future is ignored",
        file="rules/row.py",
        old="        if not future:\n            now = to_micros(self.frame.as_of)\n",
        new="        if True:\n            now = to_micros(self.frame.as_of)\n",
    ),
    Mutation(
        name="`gt` takes its literal in",
        file="rules/comparison.py",
        old='        case "gt":\n            return ((high + 1, None),)',
        new='        case "gt":\n            return ((high, None),)',
    ),
    Mutation(
        name="literals of money go through a double",
        file="rules/literal.py",
        old="        exact = read_exact(value)\n        scaled",
        new="        exact = Decimal(float(read_exact(value)))\n        scaled",
    ),
    Mutation(
        name="ignore_case lowers instead of folding",
        file="rules/comparison.py",
        old="    texts = [text.casefold() for text in texts] if ignore_case else texts\n",
        new="    texts = [text.lower() for text in texts] if ignore_case else texts\n",
    ),
)
