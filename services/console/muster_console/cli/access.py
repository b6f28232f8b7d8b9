"""``muster user``, ``muster token``, ``muster audit``: who may use the REST API, and what everybody did."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from muster_console.cli.name import LARGEST
from muster_console.cli.output import (
    CursorOption,
    JsonOption,
    PageOption,
    SortOption,
    console,
    print_json,
    print_more,
    print_page,
    print_table,
)
from muster_console.operation import access as operation
from muster_console.operation.workspace import open_workspace
from muster_core.errors import InvalidInput, Problem, TerminalError
from muster_core.security.role import Role

users = typer.Typer(help="Who may come in.", no_args_is_help=True)
tokens = typer.Typer(help="Keys of programs and people to the REST API.", no_args_is_help=True)
entries = typer.Typer(help="What everybody did.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name.", metavar="NAME")]
PasswordOption = Annotated[
    bool, typer.Option("--password", help="Ask for a password, or read it from standard input.")
]


@users.command("create")
def create_user(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="What they are trusted with.")] = Role.VIEWER,
    members: Annotated[bool, typer.Option("--members", help="May see member data.")] = False,
    password: PasswordOption = False,
    json: JsonOption = False,
) -> None:
    """Let somebody in."""
    secret = _password() if password else None
    with open_workspace() as workspace:
        operation.create_person(workspace, name, role, members=members, password=secret)
    if json:
        print_json({"name": name, "role": role, "members": members})
    else:
        console.print(f"{name} may come in as {role}. Make a token: `muster token create {name}`.")


@users.command("change")
def change_user(
    name: Name,
    *,
    role: Annotated[Role | None, typer.Option(help="The new role.")] = None,
    members: Annotated[
        bool | None, typer.Option("--members/--no-members", help="May see member data.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether they may come in.")
    ] = None,
    password: PasswordOption = False,
    json: JsonOption = False,
) -> None:
    """Change somebody's role, grant or password; it holds from their next request on."""
    secret = _password() if password else None
    with open_workspace() as workspace:
        operation.change_person(
            workspace, name, role=role, members=members, disabled=disabled, password=secret
        )
    if json:
        print_json({"name": name, "change": "changed"})
    else:
        console.print(f"{name} is changed.")


@users.command("list")
def list_users(*, json: JsonOption = False) -> None:
    """List everybody."""
    with open_workspace() as workspace:
        people = operation.list_people(workspace)
    if json:
        print_json([asdict(person) for person in people])
        return
    rows = [
        (p.name, p.role, _yes(p.members), _yes(p.has_password), p.created_at, p.disabled_at)
        for p in people
    ]
    print_table("", ("user", "role", "members", "password", "since", "disabled"), rows)


@tokens.command("create")
def create_token(
    name: Name,
    *,
    label: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    role: Annotated[
        Role | None, typer.Option(help="The most it may do; default: its owner's.")
    ] = None,
    members: Annotated[bool, typer.Option("--members", help="May see member data.")] = False,
    days: Annotated[int, typer.Option(help="How long it is valid.", min=1, max=3_660)] = 90,
    json: JsonOption = False,
) -> None:
    """Make a token; it is shown this once."""
    with open_workspace() as workspace:
        token_id, token = operation.create_token(
            workspace, name, label, role=role, members=members, lifetime=timedelta(days=days)
        )
    if json:
        print_json({"id": token_id, "token": token})
    else:
        console.print(f"Token {token_id} of {name}, valid for {days} days; it is not shown again:")
        console.print(token, soft_wrap=True)


@tokens.command("list")
def list_tokens(*, json: JsonOption = False) -> None:
    """List tokens, the newest first, without what it takes to use them."""
    with open_workspace() as workspace:
        found = operation.list_tokens(workspace)
    if json:
        print_json([asdict(token) for token in found])
        return
    columns = ("token", "user", "for", "role", "members", "expires", "last used", "revoked")
    rows = [
        (
            str(t.id),
            t.person,
            t.name,
            t.role,
            _yes(t.members),
            t.expires_at,
            t.last_used_at,
            t.revoked_at,
        )
        for t in found
    ]
    print_table("", columns, rows)


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[
        int, typer.Argument(help="The number of the token.", metavar="ID", min=1, max=LARGEST)
    ],
    *,
    json: JsonOption = False,
) -> None:
    """End a token at once."""
    with open_workspace() as workspace:
        operation.revoke_token(workspace, token_id)
    if json:
        print_json({"id": token_id, "change": "revoked"})
    else:
        console.print(f"Token {token_id} is revoked.")


@entries.command("list")
def list_entries(
    *,
    actor: Annotated[str | None, typer.Option(help="Only what this actor did.")] = None,
    object: Annotated[str | None, typer.Option(help="Only what was done to this.")] = None,
    before: Annotated[
        int | None, typer.Option(help="Only entries before this number.", min=1, max=LARGEST)
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this kind of deed.")] = None,
    sort: SortOption = None,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=10_000)] = 50,
    cursor: CursorOption = None,
    page: PageOption = False,
    json: JsonOption = False,
) -> None:
    """List what was done, by default the newest first."""
    order = sort or "-seq"
    with open_workspace() as workspace:
        found = operation.list_entries(
            workspace,
            actor=actor,
            object=object,
            action=action,
            before=before,
            sort=order,
            limit=limit,
            cursor=cursor,
        )
    following = operation.entries_behind(found, limit, order)
    if json:
        entries = [{**asdict(e), "previous": e.previous.hex(), "hash": e.hash.hex()} for e in found]
        print_page(entries, following, page=page)
        return
    rows = [(str(e.seq), e.at, e.actor, e.action, e.object) for e in found]
    print_table("", ("entry", "when", "who", "what", "to what"), rows)
    print_more(len(found), following)


@entries.command("verify")
def verify_entries(*, json: JsonOption = False) -> None:
    """Read along the chain of entries: none changed, taken out, put in or moved."""
    with open_workspace() as workspace:
        fitting, broken = operation.verify_entries(workspace)
    if broken is not None:
        raise TerminalError(
            f"Entry {broken} does not fit the {fitting:,} before it.",
            hint="Somebody changed the audit in the database itself; compare with a backup.",
        )
    if json:
        print_json({"entries": fitting})
    else:
        console.print(f"All {fitting:,} entries fit.")


def _password() -> str:
    """Ask on a terminal, else read one line: a password never stands on a command line."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    found = sys.stdin.readline().rstrip("\n")
    if not found:
        raise InvalidInput([Problem(message="standard input holds no password")])
    return found


def _yes(value: bool) -> str:
    return "yes" if value else ""
