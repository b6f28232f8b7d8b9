"""Erasing over the API: administrators alone, and the key comes back in no answer."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration


def test_an_administrator_erases_and_reads_the_receipt(api: Api) -> None:
    body = {"key": "canary-key"}
    for who in ("viewer", "contributor", "seer"):
        assert api.call(who, "POST", "/erasures", json=body).status_code == 403
    made = api.call("administrator", "POST", "/erasures", json=body)
    assert made.status_code == 202
    assert made.json()["receipt"]["state"] == "complete"
    again = api.call("administrator", "POST", "/erasures", json=body)
    assert again.json() == made.json()
    shown = api.call("administrator", "GET", "/erasures/1")
    listed = api.call("administrator", "GET", "/erasures")
    assert listed.json()["items"] == [shown.json()["receipt"]]
    assert api.call("administrator", "GET", "/erasures/2").status_code == 404
    wrong = api.call("administrator", "POST", "/erasures", json={"key": ["canary-key"]})
    assert wrong.status_code == 422
    assert "canary" not in f"{made.text}{shown.text}{listed.text}{wrong.text}"


def test_erasing_with_a_key_is_done_once_and_another_customer_under_it_is_refused(
    api: Api, workspace
) -> None:
    def erase(customer: str):
        return api.call(
            "administrator",
            "POST",
            "/erasures",
            json={"key": customer},
            headers={"Idempotency-Key": "once"},
        )

    def acts() -> int:
        with workspace.database.begin() as connection:
            counted = "SELECT count(*) FROM audit_entry WHERE action = 'customer.erased'"
            return int(connection.exec_driver_sql(counted).scalar_one())

    first = erase("canary-one")
    done = acts()
    assert (first.status_code, done) == (202, 1)
    assert (erase("canary-one").json(), acts()) == (first.json(), done)
    other = erase("canary-two")
    assert (other.status_code, acts()) == (422, done)
    assert len(api.call("administrator", "GET", "/erasures").json()["items"]) == 1
    assert "canary" not in first.text + other.text
