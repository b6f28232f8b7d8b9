"""The rules of a segment as they were evaluated: each with its own count and what was left after it."""

from __future__ import annotations

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.count import NodeCount, SegmentCounts, count_nodes
from muster_console.operation.segment import SegmentView
from muster_console.web.builder.spelling import plain_of, yaml_of
from muster_console.web.builder.word import COMBINES
from muster_console.web.component.markup import card, note, row, stack, text
from muster_console.web.component.table import Figure
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import placed_line
from muster_core.errors import Conflict, InvalidInput
from muster_core.rules.document import parse_segment
from muster_core.rules.hidden import placeholders_in
from muster_core.rules.sentence import sentence
from muster_core.security.role import Permission

_GROUPS = {
    "all": "All of these hold",
    "any": "At least one of these holds",
    "not": "This does not hold",
}


@page("/segments/{name}/rules", permission=Permission.VIEW, title="Rules", section="segments")
async def segment_rules(visit: Visit, name: str) -> None:
    """Build the page."""
    found = await segment_frame(visit, name)
    try:
        document = parse_segment(found.document)
    except InvalidInput as exc:
        # a draft may have any form
        note("This draft is no segment yet; edit it to mend it.")
        for problem in exc.problems[:20]:
            note(placed_line(problem), bad=True)
        return
    with card("In words"):
        text(sentence(document), tag="p").classes("m-sentence")
    counts: SegmentCounts | None = None
    try:
        counts = await visit.load(lambda workspace: count_nodes(workspace, name))
    except Conflict:
        # one that never published has rules all the same
        counts = None
    if counts is None:
        _uncounted(found)
    else:
        _counted(found, counts)
    with card("As YAML"):
        if next(placeholders_in(found.document), None) is not None:
            note(
                "Keys and personal values are hidden from you; who may see members reads them here."
            )
        text(yaml_of(plain_of(document)), tag="pre").classes("m-code")


def _uncounted(found: SegmentView) -> None:
    with card("Rules"):
        text("It has not been published yet, so nothing is counted.", tag="p").classes("m-muted")
        for rule in found.rules:
            with Element("div").classes("m-line m-line--still"):
                text(f"Rule {rule.number}").classes("m-rule-name")
                if rule.combine:
                    text(COMBINES[rule.combine]).classes("m-muted")
                text(rule.expression, tag="code").classes("m-line-words")


def _counted(found: SegmentView, counts: SegmentCounts) -> None:
    with card("Rules with their counts"):
        with row().classes("m-muted"):
            text(f"Counted for version {counts.version}")
            Figure(counts.counted_at, "instant")
            if found.segment.rev and _changed(found, counts):
                text("The rules were changed since; the next refresh counts them anew.")
        with stack():
            for node in counts.nodes:
                _node(node)


def _changed(found: SegmentView, counts: SegmentCounts) -> bool:
    evaluated = [(n.combine, n.members is not None) for n in counts.nodes if n.depth == 0]
    now = [(rule.combine, rule.members is not None) for rule in found.rules]
    return evaluated != now


def _node(node: NodeCount) -> None:
    line = Element("div").classes("m-line m-line--still")
    line.style(f"margin-left: {min(node.depth, 12) * 18}px")
    with line:
        if node.depth == 0:
            number = int(node.pointer.rpartition("/")[2]) + 1
            text(f"Rule {number}").classes("m-rule-name")
            if node.combine:
                text(COMBINES[node.combine]).classes("m-muted")
        words = _GROUPS.get(node.condition)
        if words:
            text(words).classes("m-line-words")
        else:
            text(node.condition, tag="code").classes("m-line-words")
        Element("span").classes("m-grow")
        if node.members is not None:
            with Element("span").classes("m-count"):
                Figure(node.members)
        if node.running is not None:
            with Element("span").classes("m-count m-count--running"):
                ui.icon("arrow_forward").props("aria-hidden=true")
                text("after it ").classes("m-muted")
                Figure(node.running)
