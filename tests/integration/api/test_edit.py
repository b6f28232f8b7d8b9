"""Many who edit at once: nothing that was said to be saved is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.api.conftest import Api
from tests.integration.api.test_segment import save

pytestmark = pytest.mark.integration

CLIENTS, TRIES = 50, 3


def test_what_50_clients_add_at_once_is_in_the_segment_where_they_were_told_so(api: Api) -> None:
    save(api)
    path = "/segments/british"

    def add(client: int) -> bool:
        """Read, add a value and save; begin anew a few times where somebody else was first."""
        for _ in range(TRIES):
            shown = api.call("contributor", "GET", path)
            document = shown.json()["document"]
            where = {
                "kind": "attribute",
                "column": "country",
                "compare": "eq",
                "value": f"c{client}",
            }
            document["rules"].append({"combine": "union", "where": where})
            answer = api.call(
                "contributor",
                "PUT",
                path,
                json=document,
                headers={"If-Match": shown.headers["ETag"]},
            )
            if answer.status_code == 200:
                return True
            # twenty rules are all there may be
            if answer.status_code == 422:
                return False
            # so many at once may also wait too long for a connection; nothing was saved then, either
            assert answer.status_code in (412, 503), answer.text
        return False

    with ThreadPoolExecutor(CLIENTS) as pool:
        told = list(pool.map(add, range(CLIENTS)))
    saved = {f"c{client}" for client, done in enumerate(told) if done}
    assert saved
    shown = api.call("viewer", "GET", path)
    kept = [rule["where"]["value"] for rule in shown.json()["document"]["rules"]]
    assert kept[0] == "GB"
    assert sorted(kept[1:]) == sorted(saved)
    assert shown.headers["ETag"] == f'"{1 + len(saved)}"'


def test_of_100_requests_with_one_key_one_is_done(api: Api) -> None:
    """H72."""
    save(api)

    def ask(_: int) -> int:
        answer = api.call(
            "contributor",
            "POST",
            "/segments/refresh",
            json={"names": ["british"]},
            headers={"Idempotency-Key": "once"},
        )
        return int(answer.status_code)

    with ThreadPoolExecutor(100) as pool:
        answers = set(pool.map(ask, range(100)))
    # who comes while the first one is worked on is told to ask again
    assert 202 in answers
    assert answers <= {202, 409}
    assert len(api.call("viewer", "GET", "/runs").json()["items"]) == 1
