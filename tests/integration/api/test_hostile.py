"""Tokens, bodies and paths that nobody honest sends: a clear 4xx, and nothing happens."""

from __future__ import annotations

import gzip

import pytest
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
