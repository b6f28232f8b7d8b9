"""Documents as people write them: YAML, its fields in a sensible order, and what differs between two."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

#: The order in which people write the fields of a document; PostgreSQL keeps another one.
_FIELDS = (
    *("kind", "name", "display_name", "description", "tags", "type", "state", "schedule"),
    *("cron", "timezone", "connection", "path", "segments", "columns", "mode", "format"),
    *("rules", "combine", "left", "table", "column", "via", "where", "steps"),
    *("within", "having", "window", "on", "aggregate", "by", "period", "of_last", "at_least"),
    *("function", "order_by", "compare", "value", "right", "times", "as", "project", "manual"),
)
_PLACES = {name: place for place, name in enumerate(_FIELDS)}


#: Text that stands without quotes: nothing that this product's reader, or another one, takes for a number.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./-]*")


class _Dumper(yaml.SafeDumper):
    """Writes text so that it is read back as text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where two documents differ; None stands for what one of them leaves out."""

    pointer: str
    before: Any
    after: Any


def ordered(value: object) -> object:
    """Return a document with its fields in the order in which people write them."""
    if isinstance(value, dict):
        fields = sorted(value.items(), key=lambda item: _PLACES.get(item[0], len(_PLACES)))
        return {key: ordered(inner) for key, inner in fields}
    return [ordered(inner) for inner in value] if isinstance(value, list) else value


def as_yaml(document: object) -> str:
    """Return a document as YAML that reads back to the same."""
    return yaml.dump(
        ordered(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


def differences(before: object, after: object, pointer: str = "") -> Iterator[Difference]:
    """Yield every place where two documents differ, in the order of writing."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after}, key=lambda key: (_PLACES.get(key, len(_PLACES)), key))
        for key in keys:
            yield from differences(before.get(key), after.get(key), f"{pointer}/{_escaped(key)}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old, new = (side[index] if index < len(side) else None for side in (before, after))
            yield from differences(old, new, f"{pointer}/{index}")
    elif before != after or type(before) is not type(after):
        yield Difference(pointer=pointer, before=before, after=after)


def unified(before: object, after: object, *, names: tuple[str, str]) -> str:
    """Return how two documents differ, as lines of their YAML with - and + in front."""
    lines = difflib.unified_diff(
        as_yaml(before).splitlines(keepends=True),
        as_yaml(after).splitlines(keepends=True),
        *names,
    )
    return "".join(lines)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
