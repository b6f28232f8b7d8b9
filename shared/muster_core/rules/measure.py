"""Measures: aggregates with a name, which rules compare, rank and hold against each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from muster_core.rules.condition import Measurable
from muster_core.rules.document import SEGMENT_NAME
from muster_core.rules.value import Node


class MeasureDocument(Node):
    """A measure as people define it."""

    name: Annotated[str, Field(pattern=SEGMENT_NAME)]
    by: Measurable
    display_name: Annotated[str, Field(max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2_000)] = ""
