"""You, your password's sessions and your tokens; administrators see everybody's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from muster_console.operation import access
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import Field, ask
from muster_console.web.component.markup import button, card, facts, note, text
from muster_console.web.component.table import Action, Column, DataTable, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import Live
from muster_console.web.page.settings import settings_head
from muster_console.web.policy import page
from muster_console.web.visit import Outcome, Visit
from muster_core.clock import utc_now
from muster_core.security.role import Permission, Principal
from muster_core.storage.person import StoredToken


@page("/settings", permission=Permission.VIEW, title="Settings")
async def tokens(visit: Visit) -> None:
    """Build who you are and the keys of your programs."""
    with heading("Settings"):
        button("New token", lambda: _new(visit, live), icon_name="key", kind="main")
    settings_head(visit, "/settings")
    me = visit.principal
    with card("You"):
        facts(
            [
                ("Name", me.name),
                ("Role", me.role.value),
                ("Member data", "you may see it" if me.members else "you may not see it"),
            ]
        )
    table: list[DataTable] = []

    async def act(name: str, key: int) -> None:
        await visit.do(
            Permission.VIEW,
            lambda w: access.revoke_token(w, key, owner=_owner(w.principal)),
            said=f"Token {key} has ended.",
        )
        await live.refresh()

    def show(found: list[StoredToken]) -> None:
        if not table:
            with card("Tokens"):
                text("Keys of programs to the REST API, and your sessions in browsers.").classes(
                    "m-muted"
                )
                table.append(
                    DataTable(
                        (
                            Column(name="name", label="For", search=True),
                            Column(name="person", label="User", filter=True),
                            Column(name="role", label="At most", filter=True),
                            Column(name="members", label="Sees member data", kind="yes"),
                            Column(name="state", label="State", kind="status", filter=True),
                            Column(name="created_at", label="Made", kind="moment"),
                            Column(name="expires_at", label="Ends", kind="moment"),
                            Column(name="last_used_at", label="Last used", kind="instant"),
                            Column(name="actions", label="Actions", kind="actions"),
                        ),
                        row_key="id",
                        caption="Tokens",
                        noun=("token", "tokens"),
                        on_action=act,
                        page_size=20,
                        start={"state": "valid"},
                    )
                )
        table[0].set_rows([_token(token) for token in found])

    live = Live(visit, _tokens, show, seconds=10)
    await live.start()


def _tokens(workspace: Workspace) -> list[StoredToken]:
    return access.list_tokens(workspace, owner=_owner(workspace.principal))


def _owner(principal: Principal | None) -> str | None:
    """Return whose tokens are meant: everybody's for an administrator, nobody's for nobody."""
    if principal is None:
        return ""
    return None if principal.allows(Permission.ADMINISTER) else principal.name


def _token(token: StoredToken) -> dict[str, Any]:
    ended = token.revoked_at is not None
    state = "revoked" if ended else "expired" if token.expires_at <= utc_now() else "valid"
    return {
        "id": token.id,
        "name": token.name,
        "person": token.person,
        "role": token.role,
        "members": token.members,
        "state": state,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "actions": row_actions(Action(name="revoke", label="End token", icon="block"))
        if state == "valid"
        else [],
    }


def _new(visit: Visit, live: Live[list[StoredToken]]) -> None:
    me = visit.principal

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        def create(workspace: Workspace) -> tuple[int, str]:
            now = workspace.principal or me
            # a token never passes on more than its maker has
            least = now.capped(now.role, members=bool(given["members"]), token_id=0)
            return access.create_token(
                workspace,
                now.name,
                str(given["name"]).strip() or "token",
                role=least.role,
                members=least.members,
                lifetime=timedelta(days=int(given["days"] or 0)),
            )

        outcome = await visit.do(Permission.VIEW, create)
        if outcome.ok and outcome.value:
            # on the page, not in the form: what stands in there goes with it
            with visit.client:
                _show_once(outcome.value[1])
        await live.refresh()
        return outcome

    fields = [
        Field(name="name", label="What it is for"),
        Field(name="days", label="Days it is valid", kind="number", value=90),
    ]
    if me.members:
        fields.append(Field(name="members", label="May see member data", kind="yes"))
    else:
        fields.append(Field(name="members", label="Member data (you may not see it)", kind="yes"))
    ask("New token", fields, submit, action="Create")


def _show_once(token: str) -> None:
    with ui.dialog() as dialog, ui.element("div").classes("m-dialog"):
        dialog.props["aria-label"] = "Your new token"
        text("Your new token", tag="h2")
        note("Keep it now: it is shown this once.")
        text(token, tag="pre").classes("m-code")
        with ui.element("div").classes("m-dialog-foot"):
            button("Close", dialog.close, kind="main")
    dialog.on("hide", dialog.delete)
    dialog.open()
