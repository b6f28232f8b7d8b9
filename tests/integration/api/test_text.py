"""Texts and values nobody writes, in every place of every route that takes one: never a 5xx, nor a page of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save
from tests.integration.api.world import published_api

from muster_console.operation.access import create_person, create_token
from muster_core.security.role import Role

pytestmark = pytest.mark.integration

#: A zero and half a character: JSON and addresses can write both, and no column holds them.
TEXTS = ("a\0b", "a\ud800b")
#: JSON as Python reads it that is no value of any field.
VALUES = ("NaN",)
#: Stands for what is put into a body.
_HERE = "here it is"
#: What would take from the caller what it needs for the next request, or goes on until a run has ended.
LEFT_OUT = ("/tokens/{token_id}", "}/progress", "/runs/events")


@pytest.fixture
def api(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Api]:
    with published_api(database, database_url, redis_url, tmp_path) as (opened, workspace, _):
        save(opened)
        create_person(workspace, "tester", Role.ADMINISTRATOR, members=True, password=None)
        made = create_token(workspace, "tester", "test", role=None, members=True)
        opened.tokens["tester"] = made[1]
        yield opened


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_nothing_that_is_sent_breaks_any_route(api: Api) -> None:
    described = api.call("tester", "GET", "/openapi.json").json()
    asked = 0
    for path, method, operation in _operations(described):
        for kind, name in _places(described, operation):
            for text in TEXTS if kind != "field" else (*map(json.dumps, TEXTS), *VALUES):
                request = _request(described, operation, path, kind, name, text)
                answer = api.call("tester", method.upper(), request.pop("path"), **request)
                asked += 1
                told = f"{method} {path} {kind} {name} {text[:20]!r}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code < 500, told
                assert "Traceback" not in answer.text, told
                if answer.status_code >= 400:
                    assert answer.headers["Content-Type"] == "application/problem+json", told
    assert asked > 100 * len(TEXTS)


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in described["paths"].items():
        if not any(path.endswith(left) for left in LEFT_OUT):
            for method, operation in operations.items():
                yield path.removeprefix("/api/v1"), method, operation


def _resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _body(described: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else _resolved(described, content["schema"])


def _places(described: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every parameter, and every field of the body, that a text may stand in."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] in ("path", "query"):
            yield parameter["in"], parameter["name"]
    body = _body(described, operation)
    if body is not None:
        yield "body", ""
        for name in body.get("properties", {}):
            yield "field", name


def _request(
    described: dict[str, Any], operation: dict[str, Any], path: str, kind: str, name: str, text: str
) -> dict[str, Any]:
    """Return the options of a request with `text` in this place, as JSON in a field; something usual in all others."""
    query = {}
    for parameter in operation.get("parameters", ()):
        own = parameter["in"] == kind and parameter["name"] == name
        value = text if own else "1"
        if parameter["in"] == "path":
            # half a character has no form in an address: its bytes are sent as they would be
            path = path.replace(
                f"{{{parameter['name']}}}", quote(value, safe="", errors="surrogatepass") or "%20"
            )
        elif parameter["in"] == "query" and (own or parameter.get("required")):
            query[parameter["name"]] = value
    found: dict[str, Any] = {"path": path}
    if query:
        words = (f"{n}={quote(v, safe='', errors='surrogatepass')}" for n, v in query.items())
        found["path"] += "?" + "&".join(words)
    body = _body(described, operation)
    if body is None:
        return found
    if kind == "body":
        content = text.encode(errors="surrogatepass")
    else:
        fields = {
            field: _usual(_resolved(described, schema), field)
            for field, schema in body.get("properties", {}).items()
            if field in body.get("required", ())
        }
        if kind == "field":
            schema = _resolved(described, body["properties"][name])
            fields[name] = _in_place(described, schema)
        content = json.dumps(fields).replace(json.dumps(_HERE), text).encode()
    return found | {"content": content, "headers": {"Content-Type": "application/json"}}


def _in_place(described: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return the place of a value as this schema has it: itself, in a list, or in every field of an object."""
    for one in schema.get("anyOf", [schema]):
        known = _resolved(described, one)
        if known.get("type") == "array":
            return [_in_place(described, _resolved(described, known.get("items", {})))]
        if known.get("type") == "object":
            names = known.get("properties", {"name": {}})
            return {
                inner: _in_place(described, _resolved(described, of)) for inner, of in names.items()
            }
    return _HERE


def _usual(schema: dict[str, Any], field: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kinds = {"array": ["vip"], "object": {}, "boolean": False, "integer": 1}
    return kinds.get(schema.get("type", ""), field)
