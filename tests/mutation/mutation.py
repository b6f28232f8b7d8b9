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
        new="    moved = local.replace(year=year, month=month + 1, day=1) + timedelta(days=local.day - 1)\n    return from_local(moved, zone)\n",
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
    Mutation(
        name="negative comparisons are false on a missing value",
        file="kernel/filter.py",
        old="    return ~positive if predicate.negate else positive\n",
        new="    return ~positive & column.valid if predicate.negate else positive\n",
    ),
    Mutation(
        name="customers without rows are dropped as by an inner join",
        file="kernel/result.py",
        old="return found if self.exists is None else found & self.exists",
        new="return found & (self._values != 0) if self.exists is None else found & self.exists",
    ),
    Mutation(
        name="an aggregate without value passes negative comparisons",
        file="kernel/result.py",
        old="return found if self.exists is None else found & self.exists",
        new="return found",
    ),
    Mutation(
        name="empty text counts as set",
        file="kernel/column.py",
        old="pc.binary_length(self.dictionary).to_numpy(zero_copy_only=False) > 0",
        new="pc.binary_length(self.dictionary).to_numpy(zero_copy_only=False) >= 0",
    ),
    Mutation(
        name="count_distinct counts missing values",
        file="kernel/distinct.py",
        old="        ordinals, rows = set_rows(ordinals, column, rows)\n        if not len(ordinals):\n            return\n        self._waiting.append",
        new="        if not len(ordinals):\n            return\n        self._waiting.append",
    ),
    Mutation(
        name="the average of money is a double",
        file="kernel/result.py",
        old="        difference = sign * (sums * left - counts * right)\n",
        new="        difference = sign * (sums * left / np.maximum(counts, 1).astype(float) - right).astype(float)\n",
    ),
    Mutation(
        name="a later step of a sequence may be of the same time",
        file="kernel/sequence.py",
        old="new = (ordinals[1:] != ordinals[:-1]) | (times[1:] != times[:-1])",
        new="new = np.ones(len(times) - 1, dtype=np.bool_)",
    ),
    Mutation(
        name="`within` of a sequence leaves its edge out",
        file="kernel/sequence.py",
        old="near: Bits = last - first <= self._fold.seconds * _SECOND",
        new="near: Bits = last - first < self._fold.seconds * _SECOND",
    ),
    Mutation(
        name="ties of order_by go by the lowest key for last",
        file="kernel/pick.py",
        old='keys = [(_OWNER, "ascending"), *((name, order) for name in self._names)]',
        new='keys = [(_OWNER, "ascending"), (_BY, order), *((n, "ascending") for n in self._names[1:])]',
    ),
    Mutation(
        name="ties of top go to the larger key",
        file="kernel/rank.py",
        old="pc.less_equal(tying, last)",
        new="pc.greater_equal(tying, last)",
    ),
    Mutation(
        name="percent of top is rounded up",
        file="kernel/rank.py",
        old="total * whole // (100 * 10**digits)",
        new="-(-total * whole // (100 * 10**digits))",
    ),
    Mutation(
        name="adding by hand wins over removing",
        file="kernel/evaluate.py",
        old="            found = found & ~self._sets[segment.remove]\n        return found\n",
        new="            found = found & ~self._sets[segment.remove]\n        if segment.add is not None:\n            found = found | self._sets[segment.add]\n        return found\n",
    ),
    Mutation(
        name="deleted customers are members of what is not",
        file="kernel/evaluate.py",
        old="return self.alive & ~self._sets[node.of[0]]",
        new="return ~self._sets[node.of[0]]",
    ),
    Mutation(
        name="a broken run of a held value goes on",
        file="kernel/held.py",
        old="unbroken = passed & ~self._done[ordinals] & (places < self._breaks[ordinals])",
        new="unbroken = passed",
    ),
    Mutation(
        name="periods leave their edges out",
        file="rules/timeline.py",
        old="column_bounds((None, edge), scope.time_kind, frame)",
        new="column_bounds((None, edge - 1), scope.time_kind, frame)",
    ),
    Mutation(
        name="29 February has its anniversary on 1 March",
        file="kernel/calendar.py",
        old="begin + np.minimum(day, first_days(months + 1) - begin - 1)",
        new="begin + day",
    ),
    Mutation(
        name="weeks count from Sunday",
        file="kernel/calendar.py",
        old="(days + _EPOCH_WEEKDAY) % 7 + 1",
        new="(days + _EPOCH_WEEKDAY + 1) % 7 + 1",
    ),
    Mutation(
        name="an unknown reference has a value",
        file="kernel/gather.py",
        old="np.append(decided, np.False_)",
        new="np.append(decided, np.True_)",
    ),
    Mutation(
        name="a sample forgets its salt",
        file="kernel/sample.py",
        old=" ^ np.uint64(node.salt)",
        new="",
    ),
    Mutation(
        name="measures count days in the zone of the segment",
        file="rules/resolve.py",
        old="zone = read_zone(self.scopes.catalog.timezone)",
        new="zone = self.frame.zone",
    ),
)
