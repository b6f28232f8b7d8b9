"""What pydantic finds wrong with the shape of a document, as problems at JSON pointers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from muster_core.documents.field import field_hint
from muster_core.errors import Problem
from muster_core.spelling import nearest_names

#: More problems of one document than anybody reads are counted only.
_MAX_PROBLEMS = 200
_QUOTED = re.compile(r"'([^']*)'")


def shape_problems(
    data: object, exc: ValidationError, model: type[BaseModel] | TypeAdapter[Any]
) -> list[Problem]:
    """Return what is wrong with `data`, which could not be read as `model`, at most 200 problems and a count."""
    errors = exc.errors(include_url=False, include_input=False)
    problems = []
    for error in errors[:_MAX_PROBLEMS]:
        pointer = _pointer(data, error["loc"], error["type"])
        hint = _hint(data, pointer, error, model)
        problems.append(Problem(message=_message(error), pointer=pointer, hint=hint))
    if len(errors) > _MAX_PROBLEMS:
        more = f"and {len(errors) - _MAX_PROBLEMS} more problems"
        problems.append(Problem(message=more))
    return problems


#: What pydantic calls a wrong type, and what should stand there.
_TYPES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "fields with values"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
}


def _message(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return f"this is {_TYPES[kind]}, not what stands here"
    match kind:
        case "extra_forbidden":
            return "this field does not exist here"
        case "missing":
            return "this field is required"
        case "union_tag_invalid":
            return f"unknown kind {context['tag'][:64]!r}; known are {context['expected_tags']}"
        case "union_tag_not_found":
            return "this needs a kind"
        case "value_error":
            return str(context["error"])
        case "too_short":
            return f"this needs at least {context['min_length']} entries, not {context['actual_length']}"
        case "too_long":
            return f"this takes at most {context['max_length']} entries"
        case "greater_than_equal":
            return f"this is at least {context['ge']}"
        case "less_than_equal":
            return f"this is at most {context['le']}"
        case "literal_error":
            return f"unknown word; known are {context['expected']}"
        case "string_too_long":
            return f"this text has at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            return "a name has up to 100 small letters, digits and _, and begins with a letter"
        case _:
            return str(error["msg"])


def _hint(
    data: object, pointer: str, error: Any, model: type[BaseModel] | TypeAdapter[Any]
) -> str | None:
    """Return the nearest of the words known, where another stands."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return field_hint(model, error["loc"])
    if kind == "union_tag_invalid":
        written, known = context["tag"], context["expected_tags"]
    elif kind == "literal_error":
        written, known = _at(data, pointer), context["expected"]
    else:
        return None
    words = [found[1] for found in _QUOTED.finditer(known)]
    close = nearest_names(written, words, count=1) if isinstance(written, str) else []
    return f"did you mean {close[0]}?" if close else None


def _at(data: object, pointer: str) -> object:
    for part in pointer.split("/")[1:]:
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list | tuple) and part.isdigit():
            data = data[int(part)]
    return data


def _pointer(data: object, location: tuple[int | str, ...], kind: str) -> str:
    """Return the JSON pointer of a pydantic location, which also names union members on its way."""
    pointer, here, tagged = "", data, False
    for index, part in enumerate(location):
        if isinstance(here, Mapping):
            if here.get("kind") == part and not tagged:
                tagged = True
                continue
            final = index == len(location) - 1
            if part in here or (final and kind == "missing"):
                pointer += "/" + str(part).replace("~", "~0").replace("/", "~1")
                here, tagged = here.get(part), False
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
            pointer += f"/{part}"
            here, tagged = here[part], False
    return pointer
