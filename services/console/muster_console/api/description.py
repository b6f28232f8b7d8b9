"""The OpenAPI document: what FastAPI knows, and who may take a route, and the headers that go with methods."""

from __future__ import annotations

import threading
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from muster_console.api.idempotency import ONLY_LOOKS, SHOWN_ONCE
from muster_console.api.policy import every_route, permission_of
from muster_console.api.problem import MEDIA_TYPE, RESPONSES, ProblemDocument

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token from `POST /api/v1/tokens`, or `POST /api/v1/sign-in`.",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeated within a day, the request gets the same answer and is not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_SCHEMA = "#/components/schemas/{model}"
#: Two who ask first at once would both add what FastAPI does not know.
_ONE_AT_A_TIME = threading.Lock()


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`; it is made once."""
    with _ONE_AT_A_TIME:
        return _described(app)


def _described(app: FastAPI) -> dict[str, Any]:
    document = app.openapi()
    components = document.setdefault("components", {})
    if "securitySchemes" in components:
        return document
    _add(components.setdefault("schemas", {}), ProblemDocument)
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) in RESPONSES:
                    answer["content"] = {MEDIA_TYPE: {"schema": _reference(ProblemDocument)}}
    for route in every_route(app):
        permission = permission_of(route)
        for method in route.methods or ():
            found = document["paths"][route.path][method.lower()]
            found["security"] = [] if permission is None else [{"bearer": []}]
            if permission is not None:
                found["x-permission"] = str(permission)
            if method == "POST" and not (found.get(SHOWN_ONCE) or found.get(ONLY_LOOKS)):
                found.setdefault("parameters", []).append(_KEY)
    components["securitySchemes"] = {"bearer": _BEARER}
    return document


def _add(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template=_SCHEMA, mode="serialization")
    schemas |= schema.pop("$defs", {}) | {model.__name__: schema}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _SCHEMA.format(model=model.__name__)}
