"""What one open builder holds: the draft, what is wrong with it, what it counts, and which condition is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from nicegui import background_tasks

from muster_console.web.builder.change import NotPossible
from muster_console.web.builder.choice import Choices
from muster_console.web.builder.draft import Draft
from muster_console.web.builder.judge import Judgement, judge, judge_measure
from muster_console.web.builder.node import nodes
from muster_console.web.builder.spelling import yaml_of
from muster_console.web.builder.tree import Plain, at, found, updated
from muster_console.web.visit import Visit, tell
from muster_core.rules.check import Known
from muster_core.rules.hidden import Scalar, Veil

#: Returns values of a column with the rows that have each, most frequent first, narrowed by a text.
ListValues = Callable[[str, str, str], Awaitable[list[tuple[Any, int]]]]


@dataclass(slots=True, kw_only=True)
class Editor:
    """One open builder; parts that show something of it are told whenever it changes."""

    visit: Visit
    draft: Draft
    choices: Choices
    known: Known
    values: ListValues
    #: Does something without anybody waiting for it.
    later: Callable[[Coroutine[Any, Any, Any]], Any] = background_tasks.create
    #: The revision the draft is based on, 0 for a segment that does not exist yet.
    rev: int = 0
    #: What placeholders in the draft stand for: for checks, never to be shown, see `muster_core.rules.hidden`.
    hidden: dict[str, Scalar] = field(default_factory=dict, repr=False)
    #: The pointer of the condition whose fields are shown.
    open: str | None = None
    #: The pointer of what is being dragged.
    dragged: str | None = None
    judgement: Judgement = field(default_factory=Judgement)
    #: Members by pointer, in words, as they were counted last.
    counts: Mapping[str, str] = field(default_factory=dict)
    #: Whether the counts are of the draft as it is.
    fresh: bool = False
    _written: tuple[Plain, str] = (None, "")
    _shape: list[Callable[[], None]] = field(default_factory=list)
    _text: list[Callable[[], None]] = field(default_factory=list)

    @property
    def document(self) -> Plain:
        """Return the draft's document."""
        return self.draft.document

    @property
    def written(self) -> str:
        """Return the draft as YAML."""
        if self._written[0] is not self.document:
            self._written = (self.document, yaml_of(self.document))
        return self._written[1]

    @property
    def zone(self) -> str:
        """Return the zone in which times without one are meant."""
        return str(self.document.get("timezone") or self.choices.catalog.timezone)

    def on_shape(self, show: Callable[[], None]) -> None:
        """Call `show` when conditions came, went or moved."""
        self._shape.append(show)

    def on_text(self, show: Callable[[], None]) -> None:
        """Call `show` after every change, also one of a field only, and after every count."""
        self._text.append(show)

    def judge(self) -> None:
        """Find what is wrong with the draft as it is."""
        limits = self.visit.workspace.settings.limits
        document = self.document
        if self.hidden:
            document = Veil(self.choices.catalog).uncover(document, self.hidden)
        if "by" in document:
            self.judgement = judge_measure(document, self.choices.scopes, limits=limits)
        else:
            self.judgement = judge(document, self.choices.scopes, self.known, limits=limits)

    def change(self, what: str, document: Plain, *, shape: bool = True, run: str = "") -> None:
        """Take a new document; `shape` says that more than a field changed, see `Draft.changed` for `run`."""
        self.take(self.draft.changed(what, document, run=run or None), shape=shape)

    def take(self, draft: Draft, *, shape: bool = True) -> None:
        """Take a draft, and show it."""
        if draft.document != self.document:
            self.fresh = False
        self.draft = draft
        if self.open is not None and not found(draft.document, self.open):
            self.open = None
        self.judge()
        if shape:
            self.show(self._shape)
        self.show(self._text)

    def attempt(
        self, what: str, make: Callable[[Plain], Plain], *, open: str | None = None
    ) -> None:
        """Make a change where it is possible, else say why not; then open the condition at `open`."""
        try:
            document = make(self.document)
        except NotPossible as exc:
            tell(f"{str(exc)[:1].upper()}{str(exc)[1:]}.", bad=True)
            return
        if open is not None:
            self.open = open
        self.change(what, document)

    def set_field(
        self, pointer: str, name: str, value: Any, *, shape: bool = False, absent: Any = None
    ) -> None:
        """Change one field of what stands at a pointer; a value equal to `absent` leaves it out."""
        self.set_fields(pointer, {name: value}, shape=shape, absent=absent)

    def set_fields(
        self, pointer: str, values: Mapping[str, Any], *, shape: bool = False, absent: Any = None
    ) -> None:
        """Change several fields at once; those equal to `absent` are left out."""

        def changed(data: dict[str, Any]) -> dict[str, Any]:
            kept = {n: v for n, v in data.items() if n not in values}
            merged = {**data, **values} if data.keys() >= values.keys() else {**kept, **values}
            return {n: v for n, v in merged.items() if n not in values or v != absent}

        run = f"{pointer}/{'/'.join(values)}"
        self.change("field", updated(self.document, pointer, changed), shape=shape, run=run)

    def toggle(self, pointer: str) -> None:
        """Open the condition at a pointer, or close it."""
        self.open = None if self.open == pointer else pointer
        self.show(self._shape)

    def at(self, pointer: str) -> Any:
        """Return what stands at a pointer of the draft."""
        return at(self.document, pointer)

    @property
    def conditions(self) -> int:
        """Return how many conditions the draft has."""
        return sum(1 for _ in nodes(self.document))

    def show(self, listeners: list[Callable[[], None]]) -> None:
        """Tell parts of the page."""
        for listener in list(listeners):
            listener()

    def counted(self, counts: Mapping[str, str]) -> None:
        """Take the counts of the draft as it is."""
        self.counts = counts
        self.fresh = True
        self.show(self._text)
