"""Commands that only look say the same against a server as on its own machine."""

from __future__ import annotations

import json

import pytest
from tests.integration.remote.conftest import Run

pytestmark = pytest.mark.integration

LOOKS = (
    "segment list",
    "segment show vip",
    "segment show vip --counts",
    "segment slowest",
    "segment members vip --limit 5 --columns email",
    "run list",
    "run list --segment vip",
    "run show 1",
    "run held",
    "runs",
    "export list",
    "export show crm",
    "export of loyal",
    "export deliveries --export crm",
    "export refused crm",
    "connection list",
    "connection show there",
    "measure list",
    "catalog show",
    "system schedule show",
    "system arrival show",
    "system list",
    "segment versions vip",
    "segment usage vip",
    "segment validate vip",
    "segment list --deleted",
    "tag list",
    "settings list",
    "limits",
    "cleanup --dry-run",
    "customer receipts",
    "user list",
    "token list",
)


def test_what_is_looked_at_is_the_same_there_as_here(run: Run) -> None:
    for look in LOOKS:
        there, here = run(f"{look} --json"), run(f"{look} --json", here=True)
        if look == "token list":
            # asking there is itself a use of a token
            parts = [json.loads(out) for _, out in (there, here)]
            for token in [*parts[0], *parts[1]]:
                token.pop("last_used_at")
            assert parts[0] == parts[1]
        elif look == "cleanup --dry-run":
            # of its own instant each
            assert [json.loads(out) | {"at": None} for _, out in (there, here)] == [
                json.loads(there[1]) | {"at": None}
            ] * 2
        else:
            assert there == here, look
        assert there[0] == 0, look
        code, _ = run(look)
        assert code == 0, look
