"""Settings: people and what they may do."""

from __future__ import annotations

from typing import Any

from muster_console.operation import access
from muster_console.web.component.dialog import Field, ask
from muster_console.web.component.markup import button, card, facts, tabs, text
from muster_console.web.component.table import Action, Column, DataTable, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import Live
from muster_console.web.policy import page
from muster_console.web.visit import Outcome, Visit
from muster_core.security.role import Permission, Role
from muster_core.storage.person import StoredPerson

#: What a role brings, in words; `muster_core.security.role` decides.
_ROLES = {
    Role.VIEWER: "viewer: sees segments, runs, counts, the catalog",
    Role.CONTRIBUTOR: "contributor: also makes, changes and refreshes them",
    Role.ADMINISTRATOR: "administrator: also people, connections, schedules, the audit",
}
_NAMES = {role.value: words for role, words in _ROLES.items()}


def settings_head(visit: Visit, current: str) -> None:
    """Put the title of the settings and the links between their parts; only those the person may open."""
    parts = [("/settings", "You and your tokens")]
    if visit.allows(Permission.ADMINISTER):
        parts += [
            ("/settings/users", "Users"),
            ("/settings/audit", "Audit"),
            ("/settings/erasures", "Erased customers"),
        ]
    parts += [
        ("/settings/service", "Limits and clean-up"),
        ("/settings/services", "Services"),
    ]
    tabs(parts, current, "Parts of settings")


@page("/settings/users", permission=Permission.ADMINISTER, title="Users")
async def users(visit: Visit) -> None:
    """Build who may come in."""
    with heading("Users", lead="Who may come in, and what they may do."):
        button("New user", lambda: _new(visit, live), icon_name="person_add", kind="main")
    settings_head(visit, "/settings/users")
    table: list[DataTable] = []

    async def act(name: str, key: str) -> None:
        person = people[key]
        if name == "change":
            _change(visit, live, person)
            return
        off = person.disabled_at is None
        await visit.do(
            Permission.ADMINISTER,
            lambda w: access.change_person(w, key, disabled=off),
            said=f"{key} {'may not come in any more' if off else 'may come in again'}.",
        )
        await live.refresh()

    people: dict[str, StoredPerson] = {}

    def show(found: list[StoredPerson]) -> None:
        people.clear()
        people.update({person.name: person for person in found})
        if not table:
            table.append(
                DataTable(
                    (
                        Column(name="name", label="Name", search=True),
                        Column(name="role", label="Role", filter=True),
                        Column(name="members", label="Sees member data", kind="yes"),
                        Column(name="password", label="Password", kind="yes"),
                        Column(name="state", label="State", kind="status", filter=True),
                        Column(name="created_at", label="Since", kind="moment"),
                        Column(name="actions", label="Actions", kind="actions"),
                    ),
                    row_key="name",
                    caption="Users",
                    noun=("user", "users"),
                    search="Search by name",
                    sort_by="name",
                    on_action=act,
                )
            )
        table[0].set_rows([_person(person) for person in found])

    live = Live(visit, access.list_people, show, seconds=10)
    await live.start()
    with card("Roles"):
        facts([(role.value, words.partition(": ")[2]) for role, words in _ROLES.items()])
        text("Nobody sees member data without the grant, whatever the role.").classes("m-muted")


def _person(person: StoredPerson) -> dict[str, Any]:
    off = person.disabled_at is not None
    return {
        "name": person.name,
        "role": person.role,
        "members": person.members,
        "password": person.has_password,
        "state": "disabled" if off else "active",
        "created_at": person.created_at,
        "actions": row_actions(
            Action(name="change", label="Change", icon="edit"),
            Action(name="enable", label="Enable", icon="person")
            if off
            else Action(name="disable", label="Disable", icon="person_off"),
        ),
    }


def _new(visit: Visit, live: Live[list[StoredPerson]]) -> None:
    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        outcome = await visit.do(
            Permission.ADMINISTER,
            lambda w: access.create_person(
                w,
                str(given["name"]),
                Role(given["role"]),
                members=bool(given["members"]),
                password=str(given["password"]) or None,
            ),
            said=f"{given['name']} may come in.",
        )
        await live.refresh()
        return outcome

    ask(
        "New user",
        [
            Field(name="name", label="Name"),
            Field(
                name="role", label="Role", kind="choice", choices=_NAMES, value=Role.VIEWER.value
            ),
            Field(name="members", label="May see member data", kind="yes"),
            Field(
                name="password",
                label="Password",
                kind="password",
                hint="empty: comes in with tokens only",
            ),
        ],
        submit,
        action="Create",
    )


def _change(visit: Visit, live: Live[list[StoredPerson]], person: StoredPerson) -> None:
    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        outcome = await visit.do(
            Permission.ADMINISTER,
            lambda w: access.change_person(
                w,
                person.name,
                role=Role(given["role"]),
                members=bool(given["members"]),
                password=str(given["password"]) or None,
            ),
            said=f"{person.name} is changed; it holds from the next click on.",
        )
        await live.refresh()
        return outcome

    ask(
        f"Change {person.name}",
        [
            Field(
                name="role", label="Role", kind="choice", choices=_NAMES, value=person.role.value
            ),
            Field(name="members", label="May see member data", kind="yes", value=person.members),
            Field(
                name="password",
                label="New password",
                kind="password",
                hint="empty: stays as it is",
            ),
        ],
        submit,
    )
