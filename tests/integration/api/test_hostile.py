"""Tokens, bodies and paths that nobody honest sends: a clear 4xx, and nothing happens."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import Api

from muster_console.operation.access import change_person, create_token, revoke_token

pytestmark = pytest.mark.integration


def _with(api: Api, *values: str):
    headers = [("Authorization", value) for value in values]
    return api.client.get("/api/v1/me", headers=headers)


def test_only_a_whole_valid_token_comes_in(api: Api, workspace) -> None:
    token = api.tokens["viewer"]
    assert _with(api, f"Bearer {token}").status_code == 200
    wrong = [
        (),
        ("Bearer",),
        ("Bearer null",),
        (f"Basic {token}",),
        (f"Bearer {token}x",),
        (f"Bearer {token[:-1]}",),
        (f"Bearer {token.swapcase()}",),
        (f"Bearer {token}", f"Bearer {token}"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",),
    ]
    for values in wrong:
        answer = _with(api, *values)
        assert answer.status_code == 401, values
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert token not in answer.text
    assert api.client.get(f"/api/v1/me?token={token}").status_code == 401
    token_id, other = create_token(workspace, "viewer", "x", role=None, members=False)
    revoke_token(workspace, token_id)
    assert _with(api, f"Bearer {other}").status_code == 401
    change_person(workspace, "viewer", disabled=True)
    assert _with(api, f"Bearer {token}").status_code == 401


def test_guessing_passwords_is_slow_and_signing_in_gives_a_token(api: Api, workspace) -> None:
    change_person(workspace, "viewer", password="a long enough one")  # noqa: S106
    good = {"name": "viewer", "password": "a long enough one"}
    token = api.client.post("/api/v1/sign-in", json=good).json()["token"]
    assert _with(api, f"Bearer {token}").json()["name"] == "viewer"
    for name in ("contributor", "nobody at all"):
        bad = {"name": name, "password": "wrong" * 4}
        answers = [api.client.post("/api/v1/sign-in", json=bad) for _ in range(6)]
        assert [a.status_code for a in answers] == [401] * 5 + [429]
        assert answers[-1].headers["Retry-After"] == "60"
        assert "wrong" * 4 not in "".join(a.text for a in answers)
    assert api.client.post("/api/v1/sign-in", json=good).status_code == 200


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(api: Api, workspace) -> None:
    change_person(workspace, "viewer", password="a long enough one")  # noqa: S106

    def guess(number: int) -> int:
        bad = {"name": "viewer", "password": f"a long enough {number}"}
        return int(api.client.post("/api/v1/sign-in", json=bad).status_code)

    with ThreadPoolExecutor(30) as pool:
        answers = Counter(pool.map(guess, range(30)))
    assert 0 < answers[401] <= 5
    # many at once may also wait too long for a connection
    assert set(answers) <= {401, 429, 503}


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/xml"}, b"<a/>", 415),
        ({"Content-Type": "application/json; charset=utf-16"}, b"{}", 415),
        (
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            gzip.compress(b"0" * 10_000_000),
            415,
        ),
        ({"Content-Type": "application/json"}, b"0" * 1_000_001, 413),
        ({"Content-Type": "application/json"}, b"\xff\xfe", 400),
        ({"Content-Type": "application/json"}, b"[" * 20_000, 422),
        ({"Content-Type": "application/json"}, b"", 422),
    ],
)
def test_a_body_of_another_kind_is_refused(api: Api, headers, content, status) -> None:
    answer = api.call(
        "contributor",
        "PUT",
        "/segments/x",
        content=content,
        headers={**headers, "If-None-Match": "*"},
    )
    assert answer.status_code == status, answer.text


def test_a_body_without_an_end_is_cut_off(api: Api) -> None:
    def endless():
        for _ in range(100):
            yield b"0" * 100_000

    answer = api.call(
        "contributor",
        "PUT",
        "/segments/x",
        content=endless(),
        headers={"Content-Type": "application/json", "If-None-Match": "*"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/segments/%00", "/segments/..%2f..%2fetc", "/runs/0", "/runs/9223372036854775808", "/runs/x"],
)
def test_a_path_to_nothing_is_refused(api: Api, path: str) -> None:
    assert api.call("viewer", "GET", path).status_code in (404, 422)


def test_fields_nobody_offered_change_nothing(api: Api) -> None:
    given = {"role": "viewer", "created_at": "2020-01-01T00:00:00Z"}
    answer = api.call("administrator", "PATCH", "/users/contributor", json=given)
    assert answer.status_code == 422
    people = api.call("administrator", "GET", "/users").json()["items"]
    assert {p["name"]: p["role"] for p in people}["contributor"] == "contributor"


def test_every_answer_forbids_what_a_page_could_do_with_it(api: Api) -> None:
    for answer in (api.call("viewer", "GET", "/me"), api.call(None, "GET", "/nothing")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_names_with_markup_and_escapes_come_back_as_they_are(api: Api) -> None:
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202eabc"):
        answer = api.call("administrator", "POST", "/users", json={"name": name})
        assert answer.status_code in (201, 422)
    assert api.call("administrator", "POST", "/users", json={"name": "a\nb"}).status_code == 422
    assert api.call("administrator", "POST", "/users", json={"name": " "}).status_code == 422
    assert api.call("administrator", "POST", "/users", json={"name": "viewer"}).status_code == 409


def test_a_token_that_ran_out_lets_nobody_in(api: Api, workspace) -> None:
    """H64."""
    _, token = create_token(workspace, "viewer", "x", role=None, members=False)
    assert _with(api, f"Bearer {token}").status_code == 200
    with workspace.database.begin() as connection:
        connection.execute(text("UPDATE api_token SET expires_at = clock_timestamp()"))
    assert _with(api, f"Bearer {token}").status_code == 401
    for days in (0, -1, 100_000, 1e400):
        given = {"name": "x", "days": days}
        content = json.dumps(given).replace("Infinity", "1e400")
        answer = api.call(
            "administrator",
            "POST",
            "/tokens",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in (401, 422)


STRANGE = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    *("\u202eabc", "a\u200db", "a" + "\u0301" * 10_000, "\U0001f600", "", " ", "x" * 257),
    *(" lead", "trail ", "a\x1b[2J", "a\nlevel=info", "..", "a/b", "a%00b", "CON", "Caf\u00e9"),
)


def test_a_name_that_could_be_mistaken_is_refused(api: Api) -> None:
    """H57 to H61: names of things are plain, so nothing that shows them has to be trusted."""
    where = {"kind": "attribute", "column": "country", "compare": "eq", "value": "GB"}
    new = {"If-None-Match": "*"}
    for name in STRANGE:
        segment = {"name": name, "rules": [{"where": where}]}
        export = {"name": name, "connection": "there", "segments": ["x"]}
        connection = {"document": {"name": name, "kind": "s3", "bucket": "some-bucket"}}
        files = {"files": [{"name": "a.yaml", "text": json.dumps(segment)}]}
        kept = quote(name, safe="")
        answers = [
            api.call("contributor", "PUT", f"/segments/{kept}", json=segment, headers=new),
            api.call("contributor", "POST", "/exports", json={"documents": [export]}),
            api.call("administrator", "POST", "/connections", json=connection),
            api.call("contributor", "POST", "/definitions", json=files),
        ]
        for answer in answers:
            assert answer.status_code in (404, 405, 422), (name, answer.text)
    assert api.call("viewer", "GET", "/segments").json()["total"] == 0


def test_what_a_request_says_of_itself_is_not_believed(api: Api) -> None:
    """H74 and H76."""
    spoofed = {
        "X-HTTP-Method-Override": "DELETE",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-User": "administrator",
        "Host": "evil.example",
        "Origin": "https://evil.example",
    }
    answer = api.call("viewer", "GET", "/me", headers=spoofed)
    assert (answer.status_code, answer.json()["role"]) == (200, "viewer")
    assert "evil.example" not in str(answer.headers) + answer.text
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert api.call(None, "GET", "/users", headers=spoofed).status_code == 401
    followed = api.call("viewer", "GET", "/runs/events?run=1", headers=spoofed)
    assert not [name for name in followed.headers if name.startswith("access-control-")]
    # another address for every attempt makes guessing no faster
    for attempt in range(6):
        bad = {"name": "administrator", "password": "wrong" * 4}
        from_elsewhere = {"X-Forwarded-For": f"203.0.113.{attempt}"}
        answer = api.client.post("/api/v1/sign-in", json=bad, headers=from_elsewhere)
    assert answer.status_code == 429


def test_fields_of_the_record_are_not_set_from_outside(api: Api) -> None:
    """H75."""
    where = {"kind": "attribute", "column": "country", "compare": "eq", "value": "GB"}
    for field in ("published_version", "created_by", "id", "workspace_id", "rev", "member_count"):
        document = {"name": "mine", "rules": [{"where": where}], field: 7}
        new = {"If-None-Match": "*"}
        answer = api.call("contributor", "PUT", "/segments/mine", json=document, headers=new)
        assert answer.status_code == 422, field
    assert api.call("viewer", "GET", "/segments/mine").status_code == 404
    assert (
        api.call("contributor", "POST", "/tokens", json={"name": "x", "user": "viewer"}).json()[
            "type"
        ]
        == "urn:muster:not_allowed"
    )
