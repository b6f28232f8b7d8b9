"""Segment documents as text: YAML or JSON, one or many per file, every problem with its line.

Read from parser events rather than with a YAML loader, because of what a loader does to rules: ``NO`` and
``on`` become booleans, ``10.10`` a float, dates become objects, later keys replace earlier ones, and depth
costs recursion. Anchors and tags are refused: a small file must not unfold into a large document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

from muster_core.errors import InvalidInput, Problem
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.value import read_number

MAX_TEXT = 64 * 1024 * 1024

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


def read_documents(
    text: str, *, file: str, limits: Limits = DEFAULT_LIMITS
) -> list[SegmentDocument]:
    """Read every segment document of a file; several are separated by ``---`` or stand in one list.

    Raises:
        InvalidInput: the problems of all documents, each with file and line.
    """
    try:
        if len(text) > MAX_TEXT:
            raise _Wrong(f"the file is larger than {MAX_TEXT} characters")
        found = list(_read_json(text) if file.endswith(".json") else _read_yaml(text, limits))
    except _Wrong as exc:
        problem = Problem(
            message=str(exc), pointer=exc.pointer, file=file, line=exc.line, column=exc.column
        )
        raise InvalidInput([problem]) from None
    documents: list[SegmentDocument] = []
    problems: list[Problem] = []
    for data, lines in found:
        try:
            documents.append(parse_segment(data, file=file, lines=lines, limits=limits))
        except InvalidInput as exc:
            problems += exc.problems
    if not found:
        problems.append(Problem(message="the file holds no segment", file=file))
    if problems:
        raise InvalidInput(problems)
    return documents


def _read_json(text: str) -> Iterator[tuple[Any, dict[str, int]]]:
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
        yield document, {}


def _no_constant(name: str) -> Any:
    raise _Wrong(f"{name} is not a finite number")


def _read_yaml(text: str, limits: Limits) -> Iterator[tuple[Any, dict[str, int]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        builder = _Builder(limits)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(limits)
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

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._root: Any = None
        # Containers being filled, each with its pointer and, for a mapping, the key awaiting a value.
        self._open: list[tuple[Any, str]] = []
        self._key: list[str | None] = []
        self._lines: dict[str, int] = {}
        self._nodes = 0

    def documents(self) -> Iterator[tuple[Any, dict[str, int]]]:
        """Yield the data and lines of each segment in this YAML document; nothing for an empty one."""
        if isinstance(self._root, list):
            for index, data in enumerate(self._root):
                prefix = f"/{index}"
                own = {
                    pointer.removeprefix(prefix): line
                    for pointer, line in self._lines.items()
                    if pointer == prefix or pointer.startswith(f"{prefix}/")
                }
                yield data, own
        elif self._root is not None:
            yield self._root, self._lines

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
        self._put(_scalar_value(event), event)

    def _start(self, container: Any, event: Any) -> None:
        if self._open and isinstance(self._open[-1][0], dict) and self._key[-1] is None:
            raise _Wrong("a field name must be a text", event.start_mark)
        if event.tag is not None:
            raise _Wrong("tags (!) are not allowed", event.start_mark)
        if len(self._open) >= self._limits.nesting:
            message = f"nested deeper than {self._limits.depth} conditions"
            raise _Wrong(message, event.start_mark)
        pointer = self._put(container, event)
        self._open.append((container, pointer))
        self._key.append(None)

    def _put(self, value: Any, event: Any) -> str:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            message = f"more than {self._limits.nodes} values in one document"
            raise _Wrong(message, event.start_mark)
        if not self._open:
            self._root, pointer = value, ""
        else:
            container, outer = self._open[-1]
            if isinstance(container, list):
                pointer = f"{outer}/{len(container)}"
                container.append(value)
            else:
                key = self._key[-1]
                assert key is not None
                pointer = _inner(outer, key)
                container[key] = value
                self._key[-1] = None
        self._lines.setdefault(pointer, event.start_mark.line + 1)
        return pointer


def _inner(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _scalar_value(event: Any) -> Any:
    """Return a scalar's value: quoted is text; plain is null, true, false, a number or else text."""
    if event.tag is not None and event.tag != "!":
        raise _Wrong("tags (!) are not allowed", event.start_mark)
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise _Wrong("not a finite number", event.start_mark)
    if text[0] in "+-0123456789" and text.isascii():
        try:
            return read_number(text)
        except ValueError as exc:
            if "digits" in str(exc):
                raise _Wrong(str(exc), event.start_mark) from None
    return text
