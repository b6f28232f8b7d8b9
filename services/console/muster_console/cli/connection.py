"""``muster connection``: destinations by name, with credentials that are only ever written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.completion import connection_names
from muster_console.cli.output import JsonOption, print_facts, print_json, print_table
from muster_console.operation import connection as operation
from muster_console.operation.workspace import open_workspace
from muster_core.exports.connection import target_json
from muster_core.storage.connection import StoredConnection

app = typer.Typer(help="Destinations by name, with their credentials.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(help="The connection's name.", metavar="NAME", autocompletion=connection_names),
]
Secrets = Annotated[
    Path, typer.Option(help="A file with the credentials; - reads standard input.", metavar="FILE")
]


@app.command()
def create(
    path: Annotated[Path, typer.Argument(help="A YAML file.", metavar="FILE")],
    *,
    secrets: Annotated[
        Path | None,
        typer.Option(help="A file with the credentials; - reads standard input.", metavar="FILE"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Create a connection, or change its document."""
    with open_workspace() as workspace:
        name, change = operation.create_connection(workspace, path, secrets)
    if json:
        print_json({"name": name, "change": change})
    else:
        print_table("", ("connection", "change"), [(name, change)])


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every connection."""
    with open_workspace() as workspace:
        found = operation.list_connections(workspace)
    if json:
        print_json([_json(c) for c in found])
        return
    rows = [(c.name, c.target.kind, _state(c), ", ".join(c.exports)) for c in found]
    print_table("", ("connection", "kind", "state", "exports"), rows)


@app.command()
def show(name: Name, *, json: JsonOption = False) -> None:
    """Show one connection; its credentials are never shown."""
    with open_workspace() as workspace:
        found = operation.get_connection(workspace, name)
    if json:
        print_json(_json(found))
        return
    document = target_json(found.target)
    del document["name"]
    rows = [
        *document.items(),
        ("credentials", "set" if found.has_secret else "none"),
        ("state", _state(found)),
        ("exports", ", ".join(found.exports) or None),
        ("tested", found.tested_at),
        ("test said", found.test_error),
    ]
    print_facts(found.name, rows)


@app.command("test")
def try_(
    name: Name,
    *,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30,
    json: JsonOption = False,
) -> None:
    """Let an exporter sign in, write, read and remove a small object; exit code 5 where it cannot."""
    with open_workspace() as workspace:
        found = operation.try_connection(workspace, name, seconds=timeout)
    if json:
        print_json(_json(found))
    else:
        print_facts(found.name, [("answer", found.test_error or "works"), ("at", found.tested_at)])
    if found.test_error is not None:
        raise typer.Exit(5)


@app.command()
def rotate(name: Name, *, secrets: Secrets, json: JsonOption = False) -> None:
    """Replace the credentials of a connection."""
    with open_workspace() as workspace:
        operation.rotate_connection(workspace, name, secrets)
    _said(name, "credentials", "replaced", json=json)


@app.command()
def rekey(*, json: JsonOption = False) -> None:
    """Seal all credentials anew under a new key, without changing them."""
    with open_workspace() as workspace:
        sealed = operation.rotate_keys(workspace)
    if json:
        print_json({"sealed": sealed})
    else:
        print_facts("keys", [("sealed anew", sealed)])


@app.command()
def pause(name: Name, *, json: JsonOption = False) -> None:
    """Hold what waits for a connection."""
    with open_workspace() as workspace:
        held = operation.pause_connection(workspace, name, paused=True)
    _said(name, "held", held, json=json)


@app.command()
def resume(name: Name, *, json: JsonOption = False) -> None:
    """Let a paused or disabled connection take deliveries again."""
    with open_workspace() as workspace:
        released = operation.pause_connection(workspace, name, paused=False)
    _said(name, "released", released, json=json)


@app.command()
def detach(name: Name, *, json: JsonOption = False) -> None:
    """Take a connection away from its exports, which stay and become inactive."""
    with open_workspace() as workspace:
        exports = operation.detach_connection(workspace, name)
    if json:
        print_json({"detached": exports})
    else:
        print_facts(name, [("detached from", ", ".join(exports) or "nothing")])


@app.command()
def delete(name: Name, *, json: JsonOption = False) -> None:
    """Remove a connection that no export uses."""
    with open_workspace() as workspace:
        operation.delete_connection(workspace, name)
    _said(name, "removed", True, json=json)


def _said(name: str, fact: str, value: object, *, json: bool) -> None:
    if json:
        print_json({"name": name, fact: value})
    else:
        print_facts(name, [(fact, value)])


def _state(found: StoredConnection) -> str:
    if found.disabled is not None:
        return f"disabled: {found.disabled}"
    if found.paused:
        return "paused"
    return "waits" if found.closed_until is not None else "ready"


def _json(found: StoredConnection) -> dict[str, object]:
    names = ("tested_at", "test_error_class", "test_error", "failures", "closed_until", "exports")
    return {
        **target_json(found.target),
        "credentials": {"set": found.has_secret, "revision": found.secret_rev},
        "state": _state(found),
        **{name: getattr(found, name) for name in names},
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }
