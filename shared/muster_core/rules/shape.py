"""What pydantic finds wrong with the shape of a document, as problems at JSON pointers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from muster_core.errors import Problem

#: More problems of one document than anybody reads are counted only.
_MAX_PROBLEMS = 200


def shape_problems(data: object, exc: ValidationError, file: str | None = None) -> list[Problem]:
    """Return what is wrong with `data`, which could not be read, at most 200 problems and a count."""
    errors = exc.errors(include_url=False, include_input=False)
    problems = [
        Problem(
            message=_message(error),
            pointer=_pointer(data, error["loc"], error["type"]),
            file=file,
        )
        for error in errors[:_MAX_PROBLEMS]
    ]
    if len(errors) > _MAX_PROBLEMS:
        more = f"and {len(errors) - _MAX_PROBLEMS} more problems"
        problems.append(Problem(message=more, file=file))
    return problems


def _message(error: Any) -> str:
    context = error.get("ctx", {})
    match error["type"]:
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
        case "string_too_long":
            return f"this text has at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            return "a name has up to 100 small letters, digits and _, and begins with a letter"
        case _:
            return str(error["msg"])


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
