"""Erasing customers: administrators only; the key is in the body alone, because addresses are logged."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, SecretStr

from muster_console.api.body import Given
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Administering
from muster_console.operation import erasure as operation
from muster_console.operation.erasure import receipt_json

router = APIRouter(prefix="/erasures", tags=["customers"], route_class=IdempotentRoute)


class Customer(Given):
    """The customer to erase."""

    key: SecretStr = Field(min_length=1, max_length=1000)


class ErasureReceipt(BaseModel):
    """What came of one erasure: every destination, what it held, and when it was told."""

    receipt: dict[str, Any]


class ErasureList(BaseModel):
    """Erasures, the newest first."""

    items: list[dict[str, Any]]


@router.post("", status_code=202)
def erase_customer(workspace: Administering, customer: Customer) -> ErasureReceipt:
    """Deliver and show nothing of a customer any more, and tell every destination that held them."""
    receipt = operation.erase_customer(workspace, customer.key.get_secret_value())
    return ErasureReceipt(receipt=receipt_json(receipt))


@router.get("")
def list_erasures(
    workspace: Administering, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> ErasureList:
    """List erasures, the newest first."""
    found = operation.list_receipts(workspace, limit=limit)
    return ErasureList(items=[receipt_json(receipt) for receipt in found])


@router.get("/{number}")
def show_erasure(
    workspace: Administering, number: Annotated[int, Path(ge=1, lt=2**63)]
) -> ErasureReceipt:
    """Return what came of one erasure."""
    return ErasureReceipt(receipt=receipt_json(operation.get_receipt(workspace, number)))
