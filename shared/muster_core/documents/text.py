"""Documents as text: YAML or JSON, one or many per file, every value as written and with its line.

Read from parser events rather than with a YAML loader, because of what a loader does to rules: ``NO`` and
``on`` become booleans, ``10.10`` a float, dates become objects, later keys replace earlier ones, and depth
costs recursion. Anchors and tags are refused: a small file must not unfold into a large document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

import yaml

from muster_core.documents.number import read_number
from muster_core.errors import InvalidInput, Problem

MAX_TEXT = 64 * 1024 * 1024
#: Nesting of the data of one document, and its values; more is never meant well.
MAX_NESTING = 100
MAX_NODES = 400_000

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class _Wrong(Exception):
    def __init__(self, message: str, mark: Any = None, pointer: str = "") -> None:
        super().__init__(message)
        self.line = mark.line + 1 if mark is not None else None
        self.column = mark.column + 1 if mark is not None else None
        self.pointer = pointer


def _as_is(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One document of a file: its data, and the line of every pointer known (none for JSON)."""

    data: Any
    file: str
    lines: Mapping[str, int]
    #: Where a text that is a field's value begins: line, column, and whether it is a block below that line.
    starts: Mapping[str, tuple[int, int, bool]] = field(default_factory=dict)
    #: Finds line and column inside a text that has a language of its own.
    refine: Callable[[Problem], Problem] = _as_is

    def place(self, problem: Problem) -> Problem:
        """Return `problem` with this file, and the line of its pointer or of what surrounds it."""
        known = problem.pointer
        while known and known not in self.lines:
            known = known.rpartition("/")[0]
        found = self.refine(problem)
        if found.line is None or found.column is None:
            return replace(problem, file=self.file, line=self.lines.get(known))
        if known not in self.starts:
            return replace(found, file=self.file)
        line, column, block = self.starts[known]
        if block:
            return replace(
                found, file=self.file, line=line + found.line, column=found.column + column
            )
        first = found.line == 1
        return replace(
            found,
            file=self.file,
            line=line + found.line - 1,
            column=found.column + column if first else found.column,
        )


def read_text(
    text: str, *, file: str, nesting: int = MAX_NESTING, nodes: int = MAX_NODES
) -> list[Written]:
    """Read every document of a file; several are separated by ``---`` or stand in one list.

    Raises:
        InvalidInput: the text is not readable, with file and line.
    """
    try:
        if len(text) > MAX_TEXT:
            raise _Wrong(f"the file is larger than {MAX_TEXT} characters")
        found = _read_json(text) if file.endswith(".json") else _read_yaml(text, nesting, nodes)
        return [
            Written(data=data, file=file, lines=lines, starts=starts)
            for data, lines, starts in found
        ]
    except _Wrong as exc:
        problem = Problem(
            message=str(exc), pointer=exc.pointer, file=file, line=exc.line, column=exc.column
        )
        raise InvalidInput([problem]) from None


_Starts = dict[str, tuple[int, int, bool]]
_Read = tuple[Any, dict[str, int], _Starts]


def _read_json(text: str) -> Iterator[_Read]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(k for i, (k, _) in enumerate(pairs) if k in dict(pairs[:i]))
            raise _Wrong(f"{twice[:64]} is written twice")
        return found

    try:
        data = json.loads(
            text, object_pairs_hook=unique, parse_float=Decimal, parse_constant=_no_constant
        )
    except json.JSONDecodeError as exc:
        raise _Wrong(f"not readable as JSON: {exc.msg} (line {exc.lineno})") from None
    except RecursionError:
        raise _Wrong("nested too deep") from None
    except ValueError:
        raise _Wrong("a number has too many digits") from None
    for document in data if isinstance(data, list) else [data]:
        yield document, {}, {}


def _no_constant(name: str) -> Any:
    raise _Wrong(f"{name} is not a finite number")


def _read_yaml(text: str, nesting: int, nodes: int) -> Iterator[_Read]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        builder = _Builder(nesting, nodes, text)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(nesting, nodes, text)
            elif isinstance(event, yaml.DocumentEndEvent):
                yield from builder.documents()
            else:
                builder.take(event)
    except yaml.MarkedYAMLError as exc:
        raise _Wrong(f"not readable as YAML: {exc.problem}", exc.problem_mark) from None
    except yaml.YAMLError:
        raise _Wrong("not readable as YAML: a character is not allowed") from None


class _Builder:
    """Builds one document's data and the line of every pointer from parser events, without recursion."""

    def __init__(self, nesting: int, nodes: int, source: str) -> None:
        self._source = source
        self._max_nesting = nesting
        self._max_nodes = nodes
        self._root: Any = None
        # Containers being filled, each with its pointer and, for a mapping, the key awaiting a value.
        self._open: list[tuple[Any, str]] = []
        self._key: list[str | None] = []
        self._lines: dict[str, int] = {}
        self._starts: _Starts = {}
        self._nodes = 0

    def documents(self) -> Iterator[_Read]:
        """Yield the data and lines of each document in this YAML document; nothing for an empty one."""
        if isinstance(self._root, list):
            for index, data in enumerate(self._root):
                prefix = f"/{index}"
                yield data, _under(prefix, self._lines), _under(prefix, self._starts)
        elif self._root is not None:
            yield self._root, self._lines, self._starts

    def take(self, event: Any) -> None:
        """Take in the next event of the parser."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Wrong("anchors and aliases (& and *) are not allowed", event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start({} if isinstance(event, yaml.MappingStartEvent) else [], event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._key.pop()

    def _scalar(self, event: Any) -> None:
        if self._open and isinstance(self._open[-1][0], dict) and self._key[-1] is None:
            mapping, pointer = self._open[-1]
            inner = _inner(pointer, event.value)
            if event.value in mapping:
                message = f"{event.value[:64]} is written twice"
                raise _Wrong(message, event.start_mark, inner)
            self._key[-1] = event.value
            self._lines[inner] = event.start_mark.line + 1
            return
        try:
            value = _scalar_value(event)
        except ValueError as exc:
            raise _Wrong(str(exc), event.start_mark, self._place()) from None
        pointer = self._put(value, event)
        if isinstance(value, str) and self._open and isinstance(self._open[-1][0], dict):
            self._starts[pointer] = self._text_start(event)

    def _text_start(self, event: Any) -> tuple[int, int, bool]:
        """Return line and columns before the first character; a block's lines begin below, indented."""
        mark = event.start_mark
        if event.style not in ("|", ">"):
            return mark.line + 1, mark.column + (event.style in ("'", '"')), False
        below = self._source.find("\n", mark.index) + 1
        indented = re.compile(r"\s*").match(self._source, below)
        return mark.line + 1, len(indented[0].rpartition("\n")[2]) if indented else 0, True

    def _start(self, container: Any, event: Any) -> None:
        if self._open and isinstance(self._open[-1][0], dict) and self._key[-1] is None:
            raise _Wrong("a field name must be a text", event.start_mark)
        if event.tag is not None:
            raise _Wrong("tags (!) are not allowed", event.start_mark, self._place())
        if len(self._open) >= self._max_nesting:
            message = f"nested deeper than {self._max_nesting} levels"
            raise _Wrong(message, event.start_mark)
        pointer = self._put(container, event)
        self._open.append((container, pointer))
        self._key.append(None)

    def _place(self) -> str:
        """Return the pointer of the value that comes next."""
        if not self._open:
            return ""
        container, outer = self._open[-1]
        if isinstance(container, list):
            return f"{outer}/{len(container)}"
        key = self._key[-1]
        assert key is not None
        return _inner(outer, key)

    def _put(self, value: Any, event: Any) -> str:
        self._nodes += 1
        if self._nodes > self._max_nodes:
            message = f"more than {self._max_nodes} values in one document"
            raise _Wrong(message, event.start_mark)
        pointer = self._place()
        if not self._open:
            self._root = value
        elif isinstance(container := self._open[-1][0], list):
            container.append(value)
        else:
            container[self._key[-1]] = value
            self._key[-1] = None
        self._lines.setdefault(pointer, event.start_mark.line + 1)
        return pointer


_V = TypeVar("_V")


def _under(prefix: str, known: Mapping[str, _V]) -> dict[str, _V]:
    return {
        pointer.removeprefix(prefix): value
        for pointer, value in known.items()
        if pointer == prefix or pointer.startswith(f"{prefix}/")
    }


def _inner(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _scalar_value(event: Any) -> Any:
    """Return a scalar's value: quoted is text; plain is null, true, false, a number or else text.

    Raises:
        ValueError: it has a tag, or is a number that no column can hold.
    """
    if event.tag is not None and event.tag != "!":
        raise ValueError("tags (!) are not allowed")
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise ValueError("not a finite number")
    if text[0] in "+-0123456789" and text.isascii():
        try:
            return read_number(text)
        except ValueError as exc:
            if "digits" in str(exc):
                raise
    return text
