"""Erasing customers: nothing is delivered or shown of them any more, and whoever held them is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.catalog.document import Catalog
from muster_core.catalog.type import parse_type
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.erasure import Receipt
from muster_core.lake.conversion import arrow_type
from muster_core.lake.key import key_text
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.rules.listed import listed_keys
from muster_core.security.erasure import ErasedCustomer, keyed_digest, open_erased
from muster_core.storage import audit, erasure
from muster_core.storage.database import transaction
from muster_core.storage.holder import erase
from muster_core.storage.segment import list_segments


@over("POST", "/erasures", at="receipt")
def erase_customer(workspace: Workspace, key: str) -> Receipt:
    """Erase the customer with this key and return the receipt as it stands then; safe to repeat.

    The key stands in no log, no audit entry and no receipt.

    Raises:
        InvalidInput: it is no key of the catalog's type; it is not quoted.
        StoreDamaged: the lake cannot be read; nothing was done.
    """
    with transaction(workspace.database) as connection:
        canonical = canonical_key(required_catalog(connection), key)
        found = erase(
            connection,
            workspace.lake,
            canonical,
            workspace.settings.keys(),
            actor=workspace.actor,
            lease=timedelta(seconds=workspace.settings.lease_seconds),
        )
        audit.record(connection, workspace.actor, "customer.erased", f"erasure {found}")
        receipt = erasure.get_receipt(connection, found)
        [receipt] = _with_listing(workspace, connection, [receipt])
    send_hint(workspace.settings, Hint.DELIVER)
    return receipt


@over("GET", "/erasures/{number}", at="receipt")
def get_receipt(workspace: Workspace, number: int) -> Receipt:
    """Return what came of one erasure.

    Raises:
        NotFound: there is none of that number.
        SecretUnreadable: the keys that it is sealed with are not at hand.
    """
    with transaction(workspace.database) as connection:
        receipt = erasure.get_receipt(connection, number)
        return _with_listing(workspace, connection, [receipt])[0]


@over("GET", "/erasures", at="items")
def list_receipts(workspace: Workspace, *, limit: int = 50) -> list[Receipt]:
    """Return what came of erasures, the newest first.

    Raises:
        SecretUnreadable: the keys that they are sealed with are not at hand.
    """
    with transaction(workspace.database) as connection:
        receipts = erasure.list_receipts(connection, limit=limit)
        return _with_listing(workspace, connection, receipts)


def erased_customers(workspace: Workspace) -> list[ErasedCustomer]:
    """Return every customer who was erased, to be left out of what is shown.

    Raises:
        SecretUnreadable: the keys that they are sealed with are not at hand; nothing may be shown then.
    """
    with transaction(workspace.database) as connection:
        sealed = erasure.sealed_erasures(connection)
    return open_erased(sealed, workspace.settings.keys)


def _with_listing(
    workspace: Workspace, connection: Connection, receipts: Sequence[Receipt]
) -> list[Receipt]:
    """Add which segments name the customers of these receipts, as their documents stand now."""
    wanted = {receipt.id for receipt in receipts}
    erased = [
        customer
        for customer in open_erased(erasure.sealed_erasures(connection), workspace.settings.keys)
        if customer.id in wanted
    ]
    if not erased:
        return list(receipts)
    catalog = required_catalog(connection)
    kind = parse_type(catalog.profile.columns[catalog.key])
    # one secret for all of them: there is one row of it
    pepper = erased[0].pepper
    listing: dict[int, list[str]] = {number: [] for number in wanted}
    for segment in list_segments(connection):
        written = listed_keys(segment.stored, catalog.key, kind)
        digests = {keyed_digest(pepper, key) for key in written}
        for customer in erased:
            if customer.digest in digests:
                listing[customer.id].append(segment.name)
    return [replace(receipt, listed_in=tuple(listing[receipt.id])) for receipt in receipts]


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as programs read it."""
    return {"state": receipt.state, **asdict(receipt)}


def canonical_key(catalog: Catalog, written: str) -> str:
    """Return the canonical text of a key as somebody wrote it.

    Raises:
        InvalidInput: it is no key of the catalog's type; it is not quoted.
    """
    kind = parse_type(catalog.profile.columns[catalog.key])
    try:
        text = key_text(pa.array([written], pa.string()).cast(arrow_type(kind)))[0].as_py()
    except (pa.ArrowException, UnicodeEncodeError):
        text = None
    if text is None:
        # neither the key nor Arrow's words, which quote it
        raise InvalidInput([Problem(message=f"a customer's key here is of the type {kind}")])
    return str(text)
