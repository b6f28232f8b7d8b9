"""Making and changing a connection: the fields of its kind, and credentials that are only ever written."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from nicegui import ui
from pydantic.fields import FieldInfo

from muster_console.operation.connection import (
    ask_test,
    get_connection,
    rotate_secret,
    save_connection,
)
from muster_console.operation.revision import revision_of
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import Field, put_field
from muster_console.web.component.markup import button, card, note, stack, text
from muster_console.web.frame import heading
from muster_console.web.leaving import Unsaved
from muster_console.web.live import redraw
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble, problem_line
from muster_core.exports.connection import (
    KINDS,
    parse_secret,
    parse_target,
    secret_fields,
    target_fields,
    target_json,
)
from muster_core.security.role import Permission

_WORDS = {
    "folder": "folder on this machine",
    "s3": "S3 or a server that speaks its protocol",
    "azure": "Azure Blob or Data Lake Storage",
    "sftp": "SFTP server",
    "webhook": "webhook (signed HTTPS messages)",
    "postgresql": "tables in PostgreSQL",
    "feed": "membership feed in PostgreSQL",
}
_LONG = frozenset({"host_key", "private_key", "description"})


@page(
    "/exports/connections/new",
    permission=Permission.ADMINISTER,
    title="New connection",
    section="exports",
)
async def new_connection(visit: Visit) -> None:
    """Build the form of a new connection."""
    _Editor(visit, {"kind": "s3"}, rev=0).build("New connection")


@page(
    "/exports/connections/{connection}",
    permission=Permission.ADMINISTER,
    title="Connection",
    section="exports",
)
async def edit_connection(visit: Visit, connection: str) -> None:
    """Build the form of a connection there is."""
    stored = await visit.load(lambda w: get_connection(w, connection))
    data = target_json(stored.target)
    _Editor(visit, data, rev=revision_of(stored.updated_at)).build(f"Connection {connection}")


class _Editor:
    def __init__(self, visit: Visit, data: dict[str, Any], *, rev: int) -> None:
        self._visit = visit
        self._data = data
        self._rev = rev
        self._fields: dict[str, Any] = {}
        self._secrets: dict[str, Any] = {}
        self._unsaved = Unsaved()

    def build(self, title: str) -> None:
        """Put everything."""
        with heading(title, back=("/exports/connections", "Connections")):
            button("Save", lambda: self._save(test=False), icon_name="save").classes("m-save")
            button(
                "Save and test",
                lambda: self._save(test=True),
                icon_name="network_check",
                kind="main",
            )
        self._said = stack()
        self._said.props["role"] = "status"
        kind = put_field(
            Field(
                name="kind",
                label="Kind",
                kind="choice",
                choices={kind: _WORDS.get(kind, kind) for kind in KINDS},
                value=self._data["kind"],
            )
        )
        if self._rev:
            kind.disable()
        place = ui.element("div").classes("m-grid")

        def chosen() -> None:
            self._data = {**self._read(self._fields), "kind": kind.value}
            redraw(place, self._draw)

        kind.on_value_change(chosen)
        redraw(place, self._draw)

    def _draw(self) -> None:
        kind = self._data["kind"]
        with card("Destination"):
            self._fields = {
                name: put_field(_field(name, info, self._data.get(name)))
                for name, info in target_fields(kind).items()
                if name != "kind"
            }
            if self._rev:
                self._fields["name"].disable()
        with card("Credentials"):
            secrets = secret_fields(kind)
            words = "They are sealed when they are saved, and never shown again."
            if not secrets:
                words = "This kind needs none."
            elif self._rev:
                words += " Leave them empty to keep those there are."
            text(words, tag="p").classes("m-muted")
            self._secrets = {
                name: put_field(
                    Field(
                        name=name,
                        label=_label(name),
                        kind="area" if name in _LONG else "password",
                        rows=5,
                    )
                )
                for name in secrets
            }
        for made in (*self._fields.values(), *self._secrets.values()):
            made.on_value_change(lambda _: self._unsaved.tell(True))

    async def _save(self, *, test: bool) -> None:
        data = {**self._read(self._fields), "kind": self._data["kind"]}
        given = {name: value for name, value in self._read(self._secrets).items() if value}
        rev = self._rev

        def save(workspace: Workspace) -> str:
            target = parse_target(data)
            secret = parse_secret(target.kind, given) if given else None
            if rev == 0 or secret is None:
                save_connection(workspace, target, secret, expected=rev)
            else:
                save_connection(workspace, target, None, expected=rev)
                rotate_secret(workspace, target.name, secret)
            if test:
                ask_test(workspace, target.name)
            return target.name

        outcome = await self._visit.do(Permission.ADMINISTER, save)
        if outcome.trouble is not None:
            self._tell(outcome.trouble)
        else:
            self._unsaved.tell(False)
            ui.navigate.to("/exports/connections")

    def _tell(self, trouble: Trouble) -> None:
        def words() -> None:
            note(" ".join(p for p in (trouble.text, trouble.hint) if p), bad=True)
            for problem in trouble.problems:
                place = problem.pointer.rsplit("/", 1)[-1]
                note(
                    f"{_label(place)}: {problem_line(problem)}" if place else problem_line(problem),
                    bad=True,
                )

        redraw(self._said, words)

    @staticmethod
    def _read(fields: dict[str, Any]) -> dict[str, Any]:
        """Return what was entered; what is empty is left to its default."""
        found = {name: made.value for name, made in fields.items()}
        return {name: value for name, value in found.items() if value not in (None, "")}


def _field(name: str, info: FieldInfo, value: Any) -> Field:
    kind: Any = "text"
    choices: tuple[str, ...] = ()
    annotation = info.annotation
    if annotation is bool:
        kind = "yes"
    elif annotation in (int, float):
        kind = "number"
    elif get_origin(annotation) is Literal:
        kind, choices = "choice", get_args(annotation)
    elif name in _LONG:
        kind = "area"
    if value is None and not info.is_required():
        value = info.default
    label = _label(name)
    return Field(
        name=name,
        label=label if info.is_required() or kind == "yes" else f"{label} (optional)",
        kind=kind,
        value=value,
        choices=choices,
        rows=2,
    )


def _label(name: str) -> str:
    words = {"contributors": "Contributors may name it in their exports"}
    return words.get(name, name.replace("_", " ").capitalize())
