"""Catalogs as people write them: YAML or JSON in, a `CatalogDocument` or every problem with its line out."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from muster_core.catalog.document import CatalogDocument
from muster_core.documents.field import field_hint
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, Problem

_MESSAGES = {
    "extra_forbidden": "this field does not exist",
    "missing": "this field is required",
}


def read_catalog(text: str, file: str) -> CatalogDocument:
    """Read a catalog; `file` is named in problems.

    Raises:
        InvalidInput: the text is not readable, or does not have the fields of a catalog.
    """
    found = read_text(text, file=file)
    if len(found) != 1:
        message = "the file holds more than one catalog" if found else "the file is empty"
        raise InvalidInput([Problem(message=message, file=file)])
    (written,) = found
    try:
        return CatalogDocument.model_validate(written.data)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        raise InvalidInput([written.place(_problem(error)) for error in errors]) from exc


def _problem(error: Any) -> Problem:
    pointer = "".join(f"/{str(p).replace('~', '~0').replace('/', '~1')}" for p in error["loc"])
    hint = field_hint(CatalogDocument, error["loc"]) if error["type"] == "extra_forbidden" else None
    return Problem(message=_MESSAGES.get(error["type"], error["msg"]), pointer=pointer, hint=hint)
