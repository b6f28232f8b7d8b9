"""How large a document may be, and the walls against hostile ones that come before any reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muster_core.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds of one document."""

    rules: int = 20
    conditions: int = 500
    depth: int = 20
    values: int = 10_000
    text: int = 4_096
    pattern: int = 256
    first_year: int = 1900
    last_year: int = 2200
    manual: int = 100_000
    #: Nesting of the raw data, a few levels a condition.
    nesting: int = 100
    #: Nodes of the raw data in one document.
    nodes: int = 400_000


DEFAULT_LIMITS = Limits()


def check_instant(as_of: datetime | None, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse an instant to evaluate at that windows and zones could leave the calendar from; None is now.

    Raises:
        InvalidInput: it has no offset, or lies outside the years that rules know.
    """
    if as_of is None:
        return
    if as_of.tzinfo is None:
        raise InvalidInput([Problem(message="the instant needs an offset, for example +00:00")])
    if not limits.first_year <= as_of.year <= limits.last_year:
        message = f"the instant to evaluate at lies in the year {as_of.year}"
        hint = f"give one from {limits.first_year} to {limits.last_year}"
        raise InvalidInput([Problem(message=message, hint=hint)])


def hostile_problem(data: object, limits: Limits) -> Problem | None:
    """Return why `data` is too deep or too large to be read at all; walks without recursion."""
    open_nodes: list[tuple[object, int, str]] = [(data, 1, "")]
    seen = 0
    while open_nodes:
        node, depth, pointer = open_nodes.pop()
        if isinstance(node, str) and (message := unfit_text(node)):
            return Problem(message=message, pointer=pointer)
        if not isinstance(node, dict | list | tuple):
            continue
        seen += len(node)
        if seen > limits.nodes:
            return Problem(message=f"more than {limits.nodes} values in one document")
        if depth > limits.nesting:
            return Problem(message=f"nested deeper than {limits.depth} conditions")
        if isinstance(node, dict):
            for key, inner in node.items():
                if not isinstance(key, str):
                    return Problem(message="field names are texts", pointer=pointer)
                if unfit_text(key):
                    return Problem(message="a field name has a strange character", pointer=pointer)
                open_nodes.append((inner, depth + 1, f"{pointer}/{key[:64]}"))
        elif any(isinstance(inner, dict | list | tuple | str) for inner in node):
            open_nodes += [(inner, depth + 1, f"{pointer}/{i}") for i, inner in enumerate(node)]
    return None


def unfit_text(text: str) -> str | None:
    """Return why a text can be neither stored nor compared; None where it can."""
    if "\0" in text:
        return "a text cannot hold the character U+0000"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text is not valid Unicode"
    return None
