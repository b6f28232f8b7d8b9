"""Why one customer is in a segment or not: the verdict of every condition, with the rows that decided it."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.explain import ExplainedNode, Explanation, Reason, explain_customer
from muster_console.web.builder.word import COMBINES
from muster_console.web.component.markup import button, card, icon, row, stack, text
from muster_console.web.component.table import Figure
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission

_GROUPS = {"all": "All of these hold", "any": "At least one holds", "not": "This does not hold"}
_ROWS_SHOWN = 5


@page(
    "/segments/{name}/why", permission=Permission.MEMBERS, title="Why in or out", section="segments"
)
async def segment_why(visit: Visit, name: str) -> None:
    """Build the page."""
    found = await segment_frame(visit, name)
    with card("Why is a customer in or out?"):
        with row():
            key = ui.input("key of the customer", value=visit.query.get("key", ""))
            key.classes("m-field")
            versions: dict[Any, str] = {0: "now, by the saved rules"}
            if found.segment.version:
                versions[found.segment.version] = f"in version {found.segment.version}"
            when = ui.select(versions, value=0, label="when").classes("m-field")
            ask = button("Explain", icon_name="help", kind="main")
        text("Every look is recorded.", tag="p").classes("m-hint")
    place = stack()

    async def explain() -> None:
        typed = (key.value or "").strip()
        if not typed:
            return
        version = when.value or None
        outcome = await visit.do(
            Permission.MEMBERS, lambda w: explain_customer(w, name, typed, version=version)
        )
        if outcome.value is not None:
            explained = outcome.value
            redraw(place, lambda: _explained(explained))

    ask.on("click", explain)
    key.on("keydown.enter", explain)
    if key.value:
        await explain()


def _explained(found: Explanation) -> None:
    with card("The answer"):
        with Element("div").classes("m-verdict m-verdict--in" if found.member else "m-verdict"):
            icon("check_circle" if found.member else "cancel")
            text("This customer is a member." if found.member else "This customer is no member.")
        if found.manual:
            text(f"By hand: {found.manual}, which comes after the rules.", tag="p")
        with row().classes("m-muted"):
            text("as of")
            Figure(found.as_of, "moment")
        for node in found.nodes:
            _node(node)


def _node(node: ExplainedNode) -> None:
    line = Element("div").classes("m-line m-line--still m-line--why")
    line.style(f"margin-left: {min(node.depth, 12) * 18}px")
    with line:
        with Element("span").classes("m-holds" if node.holds else "m-fails"):
            icon("check" if node.holds else "close")
            text("holds" if node.holds else "does not")
        if node.depth == 0:
            text(f"Rule {int(node.pointer.rpartition('/')[2]) + 1}").classes("m-rule-name")
            if node.combine:
                text(COMBINES[node.combine]).classes("m-muted")
        words = _GROUPS.get(node.condition)
        text(words or node.condition, tag="span" if words else "code").classes("m-line-words")
        if node.running is not None:
            text("in after this rule" if node.running else "out after this rule").classes("m-muted")
    for reason in node.reasons:
        _reason(reason, node.depth)


def _reason(reason: Reason, depth: int) -> None:
    part, said = Element("div").classes("m-reason"), numerals()
    part.style(f"margin-left: {min(depth, 12) * 18 + 18}px")
    with part:
        value = "no value" if reason.value is None else str(reason.value)
        if reason.table is None:
            text(f"the value is {value}")
            return
        text(f"{value}, from {said.number(reason.total)} rows of {reason.table}")
        if not reason.rows:
            return
        with Element("div").classes("m-scroll"), Element("table").classes("m-small-table"):
            columns = list(reason.rows[0])
            with Element("thead"), Element("tr"):
                for column in columns:
                    text(column, tag="th").props["scope"] = "col"
            with Element("tbody"):
                for values in reason.rows[:_ROWS_SHOWN]:
                    with Element("tr"):
                        for column in columns:
                            text("" if values[column] is None else values[column], tag="td")
        if reason.total > _ROWS_SHOWN:
            text(
                f"and {said.number(reason.total - min(_ROWS_SHOWN, len(reason.rows)))} more"
            ).classes("m-muted")
