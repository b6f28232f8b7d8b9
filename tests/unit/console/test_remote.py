"""What goes to a server and what comes back: names in paths, lists in queries, errors as our own."""

from __future__ import annotations

import json
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_type_hints

import pytest
from pydantic import SecretStr, TypeAdapter

from muster_console import operation
from muster_console.operation.remote import WAYS, Way
from muster_console.operation.server import (
    OnlyHere,
    RefusedByServer,
    Server,
    _error,
    _query,
    open_server,
    path_of,
)
from muster_console.operation.workspace import RemoteWorkspace
from muster_core import errors
from muster_core.errors import InvalidInput
from muster_core.settings import Settings

for _module in iter_modules(operation.__path__):
    import_module(f"muster_console.operation.{_module.name}")


class Recorder(Server):
    """A server that notes what it is asked and answers from a list."""

    def __init__(self, *answers: object) -> None:
        super().__init__("http://somewhere", SecretStr("t"))
        self.asked: list[tuple[Any, ...]] = []
        self.answers = list(answers)

    def ask(self, method, path, *, query=None, body=None, headers=None):
        self.asked.append((method, path, query, body))
        return self.answers.pop(0)


def test_a_name_is_one_part_of_a_path_whatever_it_holds():
    assert (
        path_of("/segments/{name}/x", {"name": "../a b?c#d%"})
        == "/segments/..%2Fa%20b%3Fc%23d%25/x"
    )
    assert _query({"run": [1, 2], "state": "a b", "all": True}) == "?run=1&run=2&state=a+b&all=true"
    assert _query({}) == ""


def test_a_list_is_read_page_by_page_until_its_end_or_its_limit():
    way = Way(method="GET", path="/things", pages="cursor")
    server = Recorder({"items": [1, 2], "next": "c"}, {"items": [3], "next": None})
    assert way.ask(server, {"search": None}) == [1, 2, 3]
    assert server.asked[1][2] == {"cursor": "c", "limit": 200}
    server = Recorder({"items": list(range(200)), "next": 7}, {"items": list(range(50)), "next": 3})
    assert len(Way(method="GET", path="/x", pages="before").ask(server, {"limit": 250})) == 250
    assert server.asked[1][2] == {"limit": 50, "before": 7}


def test_a_long_list_of_numbers_is_asked_for_in_parts():
    way = Way(method="GET", path="/runs/progress", names={"run_ids": "run"}, split="run")
    server = Recorder(["a"], ["b"])
    assert way.ask(server, {"run_ids": list(range(700))}) == ["a", "b"]
    assert [len(asked[2]["run"]) for asked in server.asked] == [500, 200]
    assert way.ask(Recorder(), {"run_ids": []}) == []


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (404, "not_found", errors.NotFound),
        (412, "changed_meanwhile", errors.ChangedMeanwhile),
        (409, "something_new", errors.Conflict),
        (503, "part_unavailable", errors.PartUnavailable),
        (403, "new_refusal", RefusedByServer),
        (422, "source_missing", errors.SourceMissing),
        (500, "error", RefusedByServer),
    ],
)
def test_an_error_there_is_of_the_same_class_here(status, kind, raised):
    document = {"type": f"urn:muster:{kind}", "detail": "It is so. Do this.", "hint": "Do this."}
    found = _error(status, json.dumps(document).encode())
    assert type(found) is raised
    assert (found.message, found.hint) == ("It is so.", "Do this.")
    # a name that only the server knows is the name programs are told here, too
    assert found.code == kind


def test_problems_keep_their_places_and_a_page_of_something_else_is_no_answer():
    item = {"pointer": "/a", "message": "m", "file": "f.yaml", "line": 3, "new_field": 1}
    document = {
        "type": "urn:muster:invalid_input",
        "detail": "1 problem found; nothing was changed.",
    }
    found = _error(422, json.dumps({**document, "problems": [item]}).encode())
    assert isinstance(found, InvalidInput)
    assert str(found.problems[0]) == "f.yaml:3 /a: m"
    assert found.message == "1 problem found; nothing was changed."
    assert isinstance(_error(502, b"<html>Bad gateway</html>"), errors.PartUnavailable)
    assert isinstance(_error(404, b"[]"), RefusedByServer)
    moved = _error(301, b"<html>Moved</html>")
    assert "`muster status` on its machine" in str(moved.hint)


def test_a_token_that_is_not_taken_says_where_another_one_is_given():
    document = {"type": "urn:muster:not_signed_in", "detail": "A valid token is needed."}
    found = _error(401, json.dumps(document).encode())
    assert found.code == "not_signed_in"
    assert "MUSTER_TOKEN" in str(found.hint)


def test_a_page_of_another_server_is_no_answer(monkeypatch):
    server = Server("http://somewhere", SecretStr("t"))

    class Page:
        data = b"<html>Welcome</html>"

    monkeypatch.setattr(server, "_send", lambda *_, **__: Page())
    with pytest.raises(RefusedByServer, match=r"http://somewhere is not Muster's REST API"):
        server.ask("GET", "/segments")


def test_without_a_server_of_its_own_nothing_is_opened(tmp_path):
    settings = Settings(server="https://x.example", token=SecretStr("t"), home=tmp_path)
    workspace = RemoteWorkspace(settings, open_server(settings))
    for name in ("database", "lake"):
        with pytest.raises(OnlyHere):
            getattr(workspace, name)
    for wrong in ({"server": "nowhere"}, {"server": "file:///x"}, {"token": SecretStr("a\nb")}):
        with pytest.raises(InvalidInput):
            open_server(Settings(**{"server": "https://x", "token": SecretStr("t"), **wrong}))


@pytest.mark.parametrize("name", sorted(WAYS))
def test_an_answer_can_be_read_as_what_the_operation_returns(name):
    module, _, function = name.partition(".")
    found = getattr(import_module(f"muster_console.operation.{module}"), function)
    kind = get_type_hints(found)["return"]
    if kind is not type(None):
        assert TypeAdapter(kind)
