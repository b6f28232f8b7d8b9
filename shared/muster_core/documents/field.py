"""The field that was meant where one stands that does not exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

from muster_core.spelling import nearest_names

Schema = dict[str, Any]
#: Fields have short names of common words: what is less like one is another word.
_ALIKE = 0.7


def field_hint(
    model: type[BaseModel] | TypeAdapter[Any], location: Sequence[int | str]
) -> str | None:
    """Return the nearest of the fields known at `location`, a place that pydantic names; None where none is near.

    A place ends with the field that does not exist, and names alternatives of a union on its way.
    """
    *outer, written = location
    if not isinstance(written, str):
        return None
    whole = _schema(model)
    here = [whole]
    for part in outer:
        # what is below nothing is an alternative that the schema has no word for
        here = [inner for one in here for inner in _below(whole, one, part)] or here
    known = {
        name for one in here for form in _forms(whole, one) for name in form.get("properties", ())
    }
    close = nearest_names(written, known, count=1, alike=_ALIKE)
    return f"did you mean {close[0]}?" if close else None


@cache
def _schema(model: type[BaseModel] | TypeAdapter[Any]) -> Schema:
    return model.json_schema() if isinstance(model, TypeAdapter) else model.model_json_schema()


def _below(whole: Schema, schema: Schema, part: int | str) -> Iterator[Schema]:
    """Yield what may stand below `part`; where that names an alternative, the alternatives it may name."""
    for form in _forms(whole, schema):
        if isinstance(part, int):
            if "items" in form:
                yield form["items"]
        elif part in form.get("properties", {}):
            yield form["properties"][part]
        elif _is_called(form, part):
            yield form


def _is_called(form: Schema, word: str) -> bool:
    """Tell whether a union knows this alternative by `word`: the only value of one of its fields, or its title."""
    only = (field.get("const") for field in form.get("properties", {}).values())
    return word in only or word == form.get("title")


def _forms(whole: Schema, schema: Schema) -> Iterator[Schema]:
    """Yield every form a value of this schema may have, references followed."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if "$ref" in one:
            waiting.append(whole["$defs"][one["$ref"].rpartition("/")[2]])
        elif inner := [*one.get("anyOf", ()), *one.get("oneOf", ())]:
            waiting += inner
        else:
            yield one
