"""A document on its way: what it is now, what it was, and what was undone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from muster_console.web.builder.tree import Plain

#: Steps that can be undone; they share what they have in common.
KEPT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document with its past and its undone future; it is never changed, every step makes a new one."""

    document: Plain
    #: Earlier documents with what was done to each, the latest last.
    past: tuple[tuple[str, Plain], ...] = ()
    #: Undone documents with what had been done to reach each, the next one last.
    future: tuple[tuple[str, Plain], ...] = ()
    #: Says of changes that follow one another whether they are one, such as the letters of one text.
    run: str | None = None

    def changed(self, what: str, document: Plain, *, run: str | None = None) -> Draft:
        """Return the draft with a new document; `what` says in words what was done.

        Changes of one `run` right after each other are undone as one.
        """
        if document == self.document:
            return self
        if run is not None and run == self.run and self.past:
            return replace(self, document=document, future=())
        past = (*self.past, (what, self.document))[-KEPT:]
        return Draft(document=document, past=past, run=run)

    def undone(self) -> Draft:
        """Return the draft as it was before the last change; without one, as it is."""
        if not self.past:
            return self
        *before, (what, document) = self.past
        return Draft(
            document=document,
            past=tuple(before),
            future=(*self.future, (what, self.document)),
        )

    def redone(self) -> Draft:
        """Return the draft with the change made again that was undone last; without one, as it is."""
        if not self.future:
            return self
        *after, (what, document) = self.future
        return Draft(
            document=document, past=(*self.past, (what, self.document)), future=tuple(after)
        )

    @property
    def last(self) -> str | None:
        """Return in words what undoing would take back."""
        return self.past[-1][0] if self.past else None

    @property
    def following(self) -> str | None:
        """Return in words what redoing would bring back."""
        return self.future[-1][0] if self.future else None
