"""What a column holds: missing values, range, the most frequent values as bars, percentiles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from nicegui.element import Element

from muster_console.web.builder.word import type_words
from muster_console.web.component.markup import facts, row, text
from muster_console.web.component.table import Figure
from muster_console.web.numeral import numerals
from muster_core.catalog.summary import ColumnSummary
from muster_core.catalog.type import parse_type


def spread(column: ColumnSummary, *, choose: Callable[[Any], Any] | None = None) -> None:
    """Put what is known of a column; with `choose`, values are buttons that call it."""
    said = numerals()
    share = column.nulls / column.rows if column.rows else 0.0
    facts(
        [
            ("Type", type_words(parse_type(column.type))),
            ("Rows", lambda: Figure(column.rows)),
            ("Without a value", f"{said.number(column.nulls)} ({said.percent(share)})"),
            (
                "Different values",
                "more than are counted"
                if column.distinct is None
                else said.number(column.distinct),
            ),
            *(
                (name, _end(end))
                for name, end in (("Smallest", column.minimum), ("Largest", column.maximum))
                # texts have no order that says anything
                if end is not None
            ),
        ]
    )
    if column.personal:
        text("It is marked personal: its values are shown to nobody here.", tag="p").classes(
            "m-muted"
        )
    if column.top:
        text("Most frequent values", tag="h3").classes("m-rule-name")
        most = max(value.rows for value in column.top)
        with Element("ul").classes("m-bars"):
            for value in column.top:
                _bar(value_words(value.value), value.rows, most, value.value, choose)
    if column.percentiles:
        text("Percentiles", tag="h3").classes("m-rule-name")
        with row().classes("m-percentiles"):
            for percentile in column.percentiles:
                words = value_words(percentile.low)
                with Element("div").classes("m-percentile"):
                    text(f"{percentile.percent} %").classes("m-muted")
                    if choose is None:
                        text(words)
                    else:
                        _choice(words, percentile.low, choose)


def _end(value: Any) -> Any:
    """Return an end of a column's range; an instant is written in the zone of who looks."""
    return (lambda: Figure(value, "moment")) if isinstance(value, datetime) else value_words(value)


def _bar(words: str, rows: int, most: int, value: Any, choose: Callable[[Any], Any] | None) -> None:
    with Element("li").classes("m-bar"):
        if choose is None:
            text(words).classes("m-bar-name")
        else:
            _choice(words, value, choose).classes("m-bar-name")
        with Element("span").classes("m-bar-track"):
            filled = Element("span").classes("m-bar-fill")
            filled.style(f"width: {100 * rows / max(1, most):.1f}%")
        text(numerals().number(rows)).classes("m-count")


def _choice(words: str, value: Any, choose: Callable[[Any], Any]) -> Element:
    made = Element("button").classes("m-choice")
    made.props["type"] = "button"
    with made:
        text(words)
    made.on("click", lambda: choose(value))
    return made


def value_words(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal | float):
        return numerals().number(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return value.isoformat() if isinstance(value, date) else str(value)
