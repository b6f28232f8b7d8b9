"""One line of a definition: what it says, how many it counts, what is wrong with it."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from pydantic import TypeAdapter, ValidationError

from muster_console.web.builder.word import KINDS
from muster_console.web.component.markup import Words, icon, text
from muster_console.web.live import redraw
from muster_core.rules.condition import Condition, RowCondition
from muster_core.rules.sentence import clause

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_ROW: TypeAdapter[RowCondition] = TypeAdapter(RowCondition)
_GROUP_WORDS = {
    "all": "All of these hold",
    "any": "At least one of these holds",
    "not": "This does not hold",
}


class Line:
    """What changes of a line while it stays where it is."""

    def __init__(
        self,
        *,
        count: Words | None = None,
        words: Words | None = None,
        running: bool = False,
    ) -> None:
        self.words = words
        self.count = count
        self.running = running
        #: Put where the line is made: below what was put just now.
        self._wrong = Element("div").classes("m-wrongs")
        self._wrong.set_visibility(False)
        self._told: list[str] = []

    def tell(self, problems: list[str]) -> None:
        """Show what is wrong here."""
        if problems == self._told:
            return
        self._told = problems
        self._wrong.set_visibility(bool(problems))

        def draw() -> None:
            for problem in problems:
                with Element("div").classes("m-wrong"):
                    icon("error")
                    text(problem)

        redraw(self._wrong, draw)


def words_of(data: dict[str, Any], *, row: bool) -> str:
    """Return what a line says of a condition."""
    if data["kind"] in _GROUP_WORDS:
        return _GROUP_WORDS[data["kind"]]
    if data["kind"] == "attribute" and not data["column"]:
        return "Choose a column"
    if data["kind"] in ("segment", "measure") and not data["name"]:
        return f"Choose a {data['kind']}"
    try:
        condition = (_ROW if row else _CONDITION).validate_python(data)
    except ValidationError:
        return KINDS[data["kind"]][1]
    words = clause(condition, row=row)
    return words if len(words) <= 400 else f"{words[:399]}…"
