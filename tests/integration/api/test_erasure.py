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
