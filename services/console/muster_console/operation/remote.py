"""Operations that a server does where the workspace is one: a line above each says by which route.

Whatever has no such line needs the database, which a workspace elsewhere has not: it ends with `OnlyHere`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, wraps
from inspect import signature
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from muster_console.operation.server import RefusedByServer, Server, path_of
from muster_console.operation.workspace import RemoteWorkspace, Workspace

Operation = TypeVar("Operation", bound=Callable[..., Any])

#: Items of one page of a list that is read whole.
_PAGE = 200
#: Values of one parameter that a request names at most.
_PART = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The route that does what an operation does; parameters that its path does not name go into query or body."""

    method: str
    path: str
    #: What the route calls parameters that have another name here.
    names: Mapping[str, str] = field(default_factory=dict)
    #: What values of a parameter are called there.
    values: Mapping[str, Mapping[Any, Any] | Callable[[Any], Any]] = field(default_factory=dict)
    #: What makes the body of the parameters, where they are not sent as they are.
    send: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    #: The parameter that is the revision a change is based on, 0 for something new.
    revision: str | None = None
    #: The parameter that is sent as it is written, or as JSON; the others then go into the query.
    text: str | None = None
    #: The field of the answer that is meant.
    at: str | None = None
    #: The parameter a list is read on with, page by page.
    pages: str | None = None
    #: The parameter whose list is too long for one request.
    split: str | None = None

    def ask(self, server: Server, given: Mapping[str, Any]) -> Any:
        """Return what the server answers."""
        known = {name: self._said(name, value) for name, value in given.items()}
        inside = {name: value for name, value in known.items() if f"{{{name}}}" in self.path}
        rest = {
            self.names.get(name, name): value
            for name, value in known.items()
            if name not in inside and value is not None
        }
        path = path_of(self.path, inside)
        headers = _based_on(rest.pop(self.revision)) if self.revision in rest else {}
        if self.send is not None:
            rest = dict(self.send(given))
        if self.pages is not None:
            return list(self._pages(server, path, rest, self.pages))
        if self.split is not None:
            return list(self._parts(server, path, rest, self.split))
        if self.text is not None:
            body = rest.pop(self.text)
            answer = server.ask(self.method, path, query=rest, body=body, headers=headers)
        elif self.method in ("GET", "DELETE"):
            answer = server.ask(self.method, path, query=rest)
        else:
            answer = server.ask(self.method, path, body=rest or None, headers=headers)
        return answer if self.at is None or answer is None else answer[self.at]

    def _said(self, name: str, value: Any) -> Any:
        said = self.values.get(name)
        if said is None:
            return value
        return said[value] if isinstance(said, Mapping) else said(value)

    def _parts(
        self, server: Server, path: str, query: Mapping[str, Any], name: str
    ) -> Iterator[Any]:
        whole = list(query[name])
        for start in range(0, len(whole), _PART):
            part = {name: whole[start : start + _PART]}
            yield from server.ask("GET", path, query={**query, **part})

    def _pages(
        self, server: Server, path: str, query: Mapping[str, Any], name: str
    ) -> Iterator[Any]:
        left = query.get("limit")
        following = query.get(name)
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            more = {} if following is None else {name: following}
            page = server.ask("GET", path, query={**query, **more, "limit": size})
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            following = page["next"]
            if following is None:
                return


def _based_on(revision: int) -> dict[str, str]:
    return {"If-Match": f'"{revision}"'} if revision else {"If-None-Match": "*"}


#: Every operation a server can do, by its name.
WAYS: dict[str, Way] = {}


def over(
    method: str, path: str, *, read: Callable[[Any], Any] | None = None, **how: Any
) -> Callable[[Operation], Operation]:
    """Let a server do an operation by `method` and `path`; `how` are further fields of its `Way`.

    `read` makes the result of the answer; without it the answer is read as the type the operation returns.
    """
    way = Way(method=method, path=path, **how)

    def decorate(function: Operation) -> Operation:
        WAYS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = way
        parameters = signature(function)

        @cache
        def result() -> TypeAdapter[Any] | None:
            kind = get_type_hints(function)["return"]
            return None if kind is type(None) else TypeAdapter(kind)

        @wraps(function)
        def operate(workspace: Workspace, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(workspace, RemoteWorkspace):
                return function(workspace, *args, **kwargs)
            bound = parameters.bind(workspace, *args, **kwargs)
            bound.apply_defaults()
            given = dict(bound.arguments)
            del given[next(iter(parameters.parameters))]
            answer = way.ask(workspace.server, given)
            try:
                if read is not None:
                    return read(answer)
                adapter = result()
                # what returns nothing here may be answered with something there
                return None if adapter is None else adapter.validate_python(answer)
            except (ValidationError, KeyError, TypeError) as exc:
                raise RefusedByServer(
                    "The server's answer is not one that this version knows.",
                    hint="Use the same version here and there.",
                ) from exc

        return cast(Operation, operate)

    return decorate


def names_of(field_name: str) -> Callable[[Sequence[Mapping[str, Any]]], list[tuple[str, str]]]:
    """Return what reads a list of things with a name as pairs of it and another field."""

    def read(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        return [(item["name"], item[field_name]) for item in items]

    return read
