"""A document in its spellings: the plain tree the builder works on, YAML, and one expression per rule."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml
from pydantic import TypeAdapter

from muster_console.web.builder.tree import Plain
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.condition import Condition, RowCondition
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.expression.parse import parse_expression, parse_row_expression
from muster_core.rules.expression.render import render_expression
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.measure import MeasureDocument, is_measure, parse_measure
from muster_core.rules.text import read_what_can_be_read

#: Characters of what is written on one line; texts are never folded.
_LINE = 110
_WIDE = 1_000_000
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_ROW: TypeAdapter[RowCondition] = TypeAdapter(RowCondition)
#: Texts that every reader of YAML takes for texts when they stand without quotes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ .][A-Za-z0-9_]+)*|[0-9]+ [a-z]+")
_WORDS = frozenset(
    word.casefold()
    for word in ("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf")
)


def plain_of(document: SegmentDocument | MeasureDocument) -> Plain:
    """Return a document as the tree the builder changes: expressions unfolded, defaults left out, numbers exact."""
    return _listed(document.model_dump(by_alias=True, exclude_defaults=True))


def document_of(plain: Plain, limits: Limits = DEFAULT_LIMITS) -> SegmentDocument:
    """Return the segment a tree stands for.

    Raises:
        InvalidInput: its form is wrong.
    """
    return parse_segment(plain, limits=limits)


def measure_of(plain: Plain, limits: Limits = DEFAULT_LIMITS) -> MeasureDocument:
    """Return the measure a tree stands for.

    Raises:
        InvalidInput: its form is wrong.
    """
    return parse_measure(plain, limits=limits)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        # what a condition is comes first, as people write it
        first = {"kind": value["kind"]} if "kind" in value else {}
        return first | {name: _listed(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    return value


# --- expressions


def expression_of(condition: Plain, *, row: bool = False) -> str:
    """Return a condition, given as a tree, as an expression.

    Raises:
        ValueError: it is no condition.
    """
    return render_expression((_ROW if row else _CONDITION).validate_python(condition))


def condition_of(text: str, *, row: bool = False, limits: Limits = DEFAULT_LIMITS) -> Plain:
    """Return the condition an expression spells as a tree.

    Raises:
        InvalidInput: the text is no expression, with line, column and excerpt.
    """
    read = parse_row_expression if row else parse_expression
    found = read(text, limits=limits)
    return _listed(found.model_dump(by_alias=True, exclude_defaults=True))


# --- YAML


def yaml_of(plain: Plain) -> str:
    """Return a tree as YAML, which reads back as exactly this tree."""
    return yaml.dump(
        plain, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDE, indent=2
    )


def read_yaml(text: str, limits: Limits = DEFAULT_LIMITS) -> Plain:
    """Return the one segment, or measure, a text defines as a tree.

    Raises:
        InvalidInput: with every problem and its line; also where it defines none, or several.
    """
    read = read_what_can_be_read(text, file="", limits=limits)
    if read.problems:
        raise InvalidInput(read.problems)
    found: list[SegmentDocument | MeasureDocument] = [s.document for s in read.segments]
    found += [m.document for m in read.measures]
    if len(found) != 1:
        message = f"one definition stands here, not {len(found)}"
        raise InvalidInput([Problem(message=message)])
    return plain_of(found[0])


def reads_as_measure(text: str) -> bool:
    """Whether a text that is YAML defines a measure first.

    Raises:
        InvalidInput: it is not readable.
    """
    return any(is_measure(written.data) for written in read_text(text, file=""))


class _Writer(yaml.SafeDumper):
    """Writes small things on one line, and quotes every text that some reader might take for anything else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: _Writer, text: str) -> yaml.ScalarNode:
    safe = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if safe else '"')


def _decimal(writer: _Writer, number: Decimal) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:float", format(number, "f"))


def _mapping(writer: _Writer, data: dict[str, Any]) -> yaml.MappingNode:
    node = writer.represent_mapping("tag:yaml.org,2002:map", data.items())
    node.flow_style = _small(data)
    return node


def _sequence(writer: _Writer, data: list[Any]) -> yaml.SequenceNode:
    node = writer.represent_sequence("tag:yaml.org,2002:seq", data)
    node.flow_style = not any(isinstance(inner, dict | list) for inner in data)
    return node


def _small(data: dict[str, Any]) -> bool:
    """Whether a mapping is read best on one line: a comparison, a window, an aggregate."""
    nested = [inner for inner in data.values() if isinstance(inner, dict | list) and inner]
    flat = "name" not in data and len(nested) <= 2 and all(map(_flat, nested))
    return flat and len(str(data)) <= _LINE


def _flat(inner: dict[str, Any] | list[Any]) -> bool:
    entries = list(inner.values()) if isinstance(inner, dict) else inner
    return len(entries) <= 8 and not any(isinstance(entry, dict | list) for entry in entries)


_Writer.add_representer(str, _text)
_Writer.add_representer(Decimal, _decimal)
_Writer.add_representer(dict, _mapping)
_Writer.add_representer(list, _sequence)
