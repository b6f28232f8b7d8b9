"""``muster customer``: erase a customer everywhere, with a receipt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from muster_console.cli.name import LARGEST
from muster_console.cli.output import JsonOption, console, print_facts, print_json, print_table
from muster_console.operation import erasure as operation
from muster_console.operation.erasure import receipt_json
from muster_console.operation.workspace import open_workspace
from muster_core.exports.erasure import Receipt

app = typer.Typer(help="Single customers.", no_args_is_help=True)


@app.command()
def erase(
    key: Annotated[
        str,
        typer.Argument(help="The customer's key; - reads it from standard input.", metavar="KEY"),
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Deliver and show nothing of a customer any more, and tell every destination that held them."""
    written = sys.stdin.read().rstrip("\r\n") if key == "-" else key
    with open_workspace() as workspace:
        receipt = operation.erase_customer(workspace, written)
    _print(receipt, json=json)


@app.command("receipt")
def receipt_(
    number: Annotated[
        int, typer.Argument(help="The erasure's number.", metavar="NUMBER", min=1, max=LARGEST)
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Show what came of one erasure: every destination, what it held, and when it was told."""
    with open_workspace() as workspace:
        receipt = operation.get_receipt(workspace, number)
    _print(receipt, json=json)


@app.command()
def receipts(
    *,
    limit: Annotated[
        int, typer.Option(help="Show so many, the newest first.", min=1, max=10_000)
    ] = 50,
    json: JsonOption = False,
) -> None:
    """List erasures, the newest first."""
    with open_workspace() as workspace:
        found = operation.list_receipts(workspace, limit=limit)
    if json:
        print_json([receipt_json(receipt) for receipt in found])
        return
    rows = [(r.id, r.state, len(r.parts), r.requested_at, r.requested_by) for r in found]
    print_table("", ("erasure", "state", "destinations", "requested", "by"), rows)


def _print(receipt: Receipt, *, json: bool) -> None:
    if json:
        print_json(receipt_json(receipt))
        return
    facts: list[tuple[str, object]] = [
        ("state", receipt.state),
        ("requested", receipt.requested_at),
        ("by", receipt.requested_by),
        ("refused rows removed", receipt.refused_rows),
    ]
    if receipt.listed_in:
        facts.append(("take the key out of", ", ".join(receipt.listed_in)))
    print_facts(f"erasure {receipt.id}", facts)
    if not receipt.parts:
        console.print("No destination held a customer with this key: compare its spelling.")
        return
    columns = ("export", "to", "how", "held", "state", "sent", "acknowledged", "rows", "where")
    rows = [
        (
            part.export,
            part.destination,
            part.how,
            "; ".join(
                f"{segment} {', '.join(map(str, versions))}"
                for segment, versions in part.versions.items()
            ),
            part.state,
            part.sent_at,
            part.acknowledged_at,
            part.rows,
            part.error or part.location,
        )
        for part in receipt.parts
    ]
    print_table("destinations", columns, rows)
