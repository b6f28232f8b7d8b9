"""Erasing customers, and the receipts of it: what each destination held, and when it was told."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from muster_console.operation.erasure import erase_customer, list_receipts
from muster_console.web.component.dialog import confirm
from muster_console.web.component.markup import button, card, facts, link, note, path_to, row, text
from muster_console.web.component.table import Column, DataTable, Figure, chip
from muster_console.web.editor.field import write
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.settings import settings_head
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.exports.erasure import ErasurePart, Receipt
from muster_core.security.role import Permission

_PARTS = (
    Column(name="export", label="Export", kind="link", href="/exports/{export}"),
    Column(name="destination", label="To"),
    Column(name="how", label="How"),
    Column(name="held", label="It held"),
    Column(name="state", label="State", kind="status"),
    Column(name="sent_at", label="Told", kind="moment"),
    Column(name="acknowledged_at", label="Acknowledged", kind="moment"),
    Column(name="rows", label="Rows", kind="number"),
    Column(name="where", label="Where, or what went wrong"),
)
#: Receipts shown.
_SHOWN = 20


@page(
    "/settings/erasures",
    permission=Permission.ADMINISTER,
    title="Erased customers",
    section="settings",
)
async def erasures(visit: Visit) -> None:
    """Build what erases a customer, and the receipts."""
    lead = "Somebody who asked to be forgotten: nothing of them is delivered or shown any more."
    with heading("Erased customers", lead=lead):
        pass
    settings_head(visit, "/settings/erasures")

    async def erase() -> None:
        key = str(field.value or "").strip()
        if not key:
            return
        words = (
            "Every destination that held them is told, and files are written again without them. "
            "It cannot be undone. The key is kept as a keyed hash only."
        )
        if not await confirm("Erase this customer?", words, action="Erase", bad=True):
            return
        said = "The customer is erased; the receipt says how far each destination is."
        outcome = await visit.do(Permission.ADMINISTER, lambda w: erase_customer(w, key), said=said)
        if outcome.ok:
            # the key of somebody who is forgotten stays on no screen
            field.set_value("")
            await live.refresh()

    with card("Erase a customer"):
        with row():
            field = write("key of the customer", "", lambda _: None, wide=True)
            field.props["autocomplete"] = "off"
            button("Erase", erase, icon_name="person_off", kind="danger")
        text(
            "Erase them in the source as well: the data here holds the row as long as the source does.",
            tag="p",
        ).classes("m-muted")
    parts: dict[str, Any] = {}

    def show(found: list[Receipt]) -> None:
        if not parts:
            parts["receipts"] = Element("div").classes("m-stack")
        redraw(parts["receipts"], lambda: _receipts(found))

    live = Live(visit, lambda w: list_receipts(w, limit=_SHOWN), show, seconds=5)
    await live.start()


def _receipts(found: list[Receipt]) -> None:
    if not found:
        text("Nobody was erased yet.", tag="p").classes("m-muted")
    for receipt in found:
        with card(f"Erasure {receipt.id}"):
            _receipt(receipt)


def _receipt(receipt: Receipt) -> None:
    chip(receipt.state)
    facts(
        [
            ("Asked for", lambda: Figure(receipt.requested_at, "moment")),
            ("By", receipt.requested_by),
            ("Refused rows removed", lambda: Figure(receipt.refused_rows)),
        ]
    )
    if receipt.listed_in:
        with note("These segments still name the key; take it out of them:", bad=True):
            for name in receipt.listed_in:
                link(path_to("segments", name), name)
    DataTable(
        _PARTS,
        [_part(place, part) for place, part in enumerate(receipt.parts)],
        row_key="id",
        caption=f"Destinations of erasure {receipt.id}",
        noun=("destination", "destinations"),
        empty="No destination held them.",
    )


def _part(place: int, part: ErasurePart) -> dict[str, Any]:
    held = (
        f"{segment} {', '.join(map(str, versions))}" for segment, versions in part.versions.items()
    )
    return {
        "id": place,
        "export": part.export,
        "destination": part.destination,
        "how": part.how,
        "held": "; ".join(held),
        "state": part.state,
        "sent_at": part.sent_at,
        "acknowledged_at": part.acknowledged_at,
        "rows": part.rows,
        "where": part.error or part.location,
    }
