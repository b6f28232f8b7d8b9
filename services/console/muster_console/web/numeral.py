"""Numbers in the words of a page, grouped as the browser's language groups them: 1,234 there, 1.234 elsewhere.

What stands alone is a `Figure`, which the browser writes itself. Numbers inside a sentence or an option are written
here; the browser says in a cookie how (`muster.js`), for a reader of 1.234 would take 1,234 for little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote

from nicegui import Client, ui

COOKIE = "muster_numerals"
#: What languages put between groups, and before decimals; a cookie with anything else is not believed.
_GROUPS = frozenset({",", ".", " ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "'", "\N{RIGHT SINGLE QUOTATION MARK}"})  # fmt: skip
_POINTS = frozenset({",", "."})


@dataclass(frozen=True, slots=True)
class Numerals:
    """How a language writes numbers."""

    group: str = ","
    point: str = "."

    def number(self, value: float | Decimal) -> str:
        """Return a number with its groups; a float with six digits that count, a decimal with all of its own."""
        if isinstance(value, int):
            return self._told(f"{value:,}")
        return self._told(f"{value:,f}" if isinstance(value, Decimal) else f"{value:,.6g}")

    def percent(self, share: float) -> str:
        """Return a share, 1 for all, in percent with one decimal."""
        return self._told(f"{100 * share:.1f} %")

    def _told(self, english: str) -> str:
        signs = {",": self.group, ".": self.point}
        return "".join(signs.get(sign, sign) for sign in english)


def read_numerals(cookie: str | None) -> Numerals:
    """Return what a browser said of its language; English where it said nothing that can be."""
    group, _, point = unquote(cookie or "").partition("|")
    if group in _GROUPS and point in _POINTS and group != point:
        return Numerals(group, point)
    return Numerals()


def numerals(client: Client | None = None) -> Numerals:
    """Return how the browser of a page writes numbers; of the page at hand where none is named."""
    try:
        request = (client or ui.context.client).request
    except RuntimeError:
        # a page nobody asked for
        return Numerals()
    return read_numerals(request.cookies.get(COOKIE))
