"""What pydantic finds wrong with an export, a connection or credentials, in the words of this project."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from muster_core.documents.field import field_hint
from muster_core.errors import InvalidInput, Problem

#: What exports and connections are called; it is also the name of a folder.
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
_LOOKS = {
    NAME: "a name has up to 64 small letters, digits, _ and -, and begins with a letter",
}


def invalid(
    error: ValidationError,
    model: type[BaseModel] | TypeAdapter[Any],
    *,
    file: str | None,
    leave_out: Collection[int | str] = (),
) -> InvalidInput:
    """Return every problem at its JSON pointer, without what stands there: it may be a credential.

    Args:
        error: what pydantic found.
        model: what was to be read.
        file: where the document stands.
        leave_out: parts of places that are no fields, but names of alternatives.
    """
    problems = [
        Problem(
            message=_message(fault),
            pointer="".join(f"/{_escape(part)}" for part in fault["loc"] if part not in leave_out),
            file=file,
            hint=field_hint(model, fault["loc"]) if fault["type"] == "extra_forbidden" else None,
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]
    return InvalidInput(problems)


def _message(fault: Any) -> str:
    match fault["type"]:
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return "this field does not exist here"
        case "literal_error" | "enum":
            return f"unknown word; known are {fault['ctx']['expected']}"
        case "union_tag_invalid":
            return f"unknown kind; known are {fault['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return "this needs a kind"
        case "string_type":
            return "this is a text, not what stands here"
        case "list_type":
            return "this is a list, not what stands here"
        case "model_type" | "dict_type" | "model_attributes_type":
            return "this has fields of its own, and something else stands here"
        case "int_type" | "int_parsing" | "int_from_float":
            return "this is a whole number, not what stands here"
        case "float_type" | "float_parsing":
            return "this is a number, not what stands here"
        case "bool_type" | "bool_parsing":
            return "this is true or false, not what stands here"
        case "too_short" | "string_too_short":
            least = fault["ctx"]["min_length"]
            return (
                "this must not be empty" if least == 1 else f"this has at least {least} characters"
            )
        case "too_long":
            return f"this has at most {fault['ctx']['max_length']} entries"
        case "string_too_long":
            return f"this text has at most {fault['ctx']['max_length']} characters"
        case "string_pattern_mismatch":
            pattern = fault["ctx"]["pattern"]
            return _LOOKS.get(pattern, f"this text does not look like {pattern}")
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
