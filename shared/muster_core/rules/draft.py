"""Drafts that are no segments yet: kept as they were written, with everything that is wrong with their form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from muster_core.documents.text import Written
from muster_core.errors import Problem
from muster_core.rules.document import SEGMENT_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDraft:
    """A draft whose form is wrong: its data as plain JSON, and every problem with its place."""

    name: str
    data: dict[str, Any]
    problems: list[Problem]
    #: Where it stands.
    written: Written


def read_draft(written: Written, problems: list[Problem]) -> RawDraft | None:
    """Return what was written as a draft, or None where it does not say that it is one, or has no name."""
    data = written.data
    if not isinstance(data, dict) or data.get("state") != "draft":
        return None
    name = data.get("name")
    if not isinstance(name, str) or re.fullmatch(SEGMENT_NAME, name) is None:
        return None
    return RawDraft(name=name, data=plain_data(data), problems=problems, written=written)


def plain_data(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a document as plain JSON: exact numbers become what JSON has."""
    found: dict[str, Any] = json.loads(json.dumps(data, default=_number))
    return found


def texts_of(data: object) -> Iterator[str]:
    """Yield every text in a draft; whatever it refers to is among them."""
    waiting = [data]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
            # an expression names what it refers to between other words
            yield from re.findall(r"[a-z][a-z0-9_]*", node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no value of a document")
