"""The trend of a segment's members: a line with exact values on hover, joined and left as bars below it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.element import Element

from muster_console.web.component.markup import text
from muster_console.web.component.table import Column, DataTable
from muster_console.web.numeral import numerals

#: Colours that stand out on light and dark alike; the words beside them say the same.
_LINE, _JOINED, _LEFT, _AXIS, _GRID = "#3f83f8", "#2e9e62", "#d9604f", "#808d9b", "#80808033"
_POINTS_SHOWN = 60
_FONT = 'Roboto, system-ui, "Segoe UI", sans-serif'


class TrendPoint(NamedTuple):
    """One published version."""

    at: datetime
    version: int
    members: int
    joined: int
    left: int


def trend_chart(points: Sequence[TrendPoint], *, before: TrendPoint | None = None) -> None:
    """Put the chart of published versions, the oldest first, and the same as a table for those who cannot see it.

    `before` is the last version before the first shown, where the line begins.
    """
    chart = ui.echart(trend_options(points, before=before)).classes("m-trend")
    chart.props["role"] = "img"
    chart.props["aria-label"] = _summary(points)
    with Element("details").classes("m-trend-table"):
        with Element("summary"):
            text("The same as a table")
        rows = [
            {
                "version": p.version,
                "at": p.at,
                "members": p.members,
                "joined": p.joined,
                "left": p.left,
            }
            for p in reversed(points)
        ]
        DataTable(
            (
                Column(name="version", label="Version", kind="number"),
                Column(name="at", label="Published", kind="moment"),
                Column(name="members", label="Members", kind="number"),
                Column(name="joined", label="Joined", kind="number"),
                Column(name="left", label="Left", kind="number"),
            ),
            rows,
            row_key="version",
            caption="Members by version",
            noun=("version", "versions"),
            sort_by="version",
            sort_down=True,
            page_size=20,
        )


def _summary(points: Sequence[TrendPoint]) -> str:
    if not points:
        return "No version was published in this time."
    first, last, said = points[0], points[-1], numerals()
    return (
        f"Members over {len(points)} versions: from {said.number(first.members)} to {said.number(last.members)}; "
        "the table below has every value."
    )


def trend_options(
    points: Sequence[TrendPoint], *, before: TrendPoint | None = None
) -> dict[str, Any]:
    """Return what the chart library draws; times are milliseconds since 1970."""
    line = [*([before] if before else ()), *points]
    # both pictures begin at the same pixel, or the pointer would stand at two places
    left = 24 + 8 * max((len(f"{p.members:,}") for p in line), default=1)
    ends = {"min": _millis(line[0].at), "max": _millis(line[-1].at)} if len(line) > 1 else {}
    return {
        "animation": False,
        "textStyle": {"fontFamily": _FONT},
        "legend": {
            "top": 0,
            "right": 12,
            "icon": "circle",
            "itemWidth": 10,
            "textStyle": {"color": _AXIS},
        },
        "grid": [
            {"left": left, "right": 16, "top": 34, "height": "52%"},
            {"left": left, "right": 16, "bottom": 28, "height": "20%"},
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": _AXIS}},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            ":formatter": _TOOLTIP,
            "appendToBody": False,
            "backgroundColor": "var(--m-surface)",
            "borderColor": "var(--m-line-strong)",
            "textStyle": {"color": "var(--m-text)", "fontFamily": _FONT},
        },
        "xAxis": [_time_axis(0, labels=False) | ends, _time_axis(1, labels=True) | ends],
        "yAxis": [_value_axis(0), _value_axis(1)],
        "series": [
            {
                "name": "Members",
                "type": "line",
                "data": [[_millis(p.at), p.members, p.version] for p in line],
                "showSymbol": len(line) <= _POINTS_SHOWN,
                "symbolSize": 6,
                "lineStyle": {"width": 2, "color": _LINE},
                "itemStyle": {"color": _LINE},
                "areaStyle": {"color": _LINE, "opacity": 0.12},
            },
            _bars("Joined", _JOINED, [[_millis(p.at), p.joined] for p in points]),
            _bars("Left", _LEFT, [[_millis(p.at), -p.left] for p in points]),
        ],
    }


_TOOLTIP = """(items) => {
  const number = (value) => window.muster.number(Math.abs(value));
  const lines = items.map((item) => item.marker + item.seriesName + ': <b>' + number(item.value[1]) + '</b>');
  return window.muster.short(items[0].value[0]) + '<br>' + lines.join('<br>');
}"""


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _time_axis(grid: int, *, labels: bool) -> dict[str, Any]:
    return {
        "type": "time",
        "gridIndex": grid,
        "axisLine": {"lineStyle": {"color": _AXIS}},
        "axisLabel": {
            "color": _AXIS,
            "show": labels,
            "hideOverlap": True,
            ":formatter": "(at) => window.muster.tick(at)",
        },
        "axisTick": {"show": labels},
    }


def _value_axis(grid: int) -> dict[str, Any]:
    return {
        "type": "value",
        "gridIndex": grid,
        "minInterval": 1,
        "splitNumber": 4 if grid == 0 else 2,
        "axisLabel": {"color": _AXIS, ":formatter": "(value) => window.muster.number(value)"},
        "splitLine": {"lineStyle": {"color": _GRID}},
    }


def _bars(name: str, colour: str, data: list[list[int]]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "bar",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "stack": "change",
        "barMaxWidth": 14,
        "barMinWidth": 6,
        "itemStyle": {"color": colour},
        "data": data,
    }
