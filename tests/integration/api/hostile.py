"""Requests that nobody honest sends: H57 to H80 of the hostile inputs, and how each may be answered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

WHERE = {"kind": "attribute", "column": "country", "compare": "eq", "value": "GB"}
JSON = {"Content-Type": "application/json"}
ENDLESS = object()
#: JSON Web Tokens as others hand them out: without a signature, and signed with a key named by a path.
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbmlzdHJhdG9yIn0."
SIGNED = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2Rldi9udWxsIn0"
    ".eyJzdWIiOiJhZG1pbmlzdHJhdG9yIiwiYXVkIjoieCIsImlzcyI6InkifQ"
    ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


#: Everything that is sorted and read page by page.
LISTS = (
    *("/segments", "/exports", "/connections", "/users", "/tokens", "/measures"),
    *("/runs", "/deliveries", "/audit", "/catalog/values/customers/country"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A request of somebody, and how it may be answered."""

    number: str
    method: str
    path: str
    status: tuple[int, ...] = (422,)
    who: str | None = "administrator"
    #: Headers, several of one name included.
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    content: Any = None

    def __str__(self) -> str:
        return f"{self.number} {self.method} {self.path[:40]}"


def _body(number: str, method: str, path: str, body: Any, **more: Any) -> Row:
    return Row(number=number, method=method, path=path, body=body, **more)


def segment(name: Any = "mine", **fields: Any) -> dict[str, Any]:
    return {"name": name, "rules": [{"where": WHERE}], **fields}


def names() -> Iterator[Row]:
    """Names of segments, exports, connections and people, tags, and what they are shown as."""
    strange = {
        "H57": ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'),
        "H58": ("javascript:alert(1)",),
        "H59": ("\u202eabc", "a\u200db", "a" + "\u0301" * 10_000, "\U0001f600"),
        "H60": ("", " ", "x" * 256, " lead", "trail ", "Known", "kno\u0301wn", "known\u0000"),
        "H61": ("a\x1b[2J", "a\nlevel=info", "a,b", "a=b"),
    }
    for number, found in strange.items():
        for name in found:
            one = {"files": [{"name": "a.yaml", "text": json.dumps(segment(name))}]}
            export = {"name": name, "connection": "there", "segments": ["known"]}
            connection = {"document": {"name": name, "kind": "s3", "bucket": "some-bucket"}}
            yield _body(number, "POST", "/segments", segment(name))
            yield _body(number, "POST", "/definitions", one)
            yield _body(number, "POST", "/exports", {"documents": [export]})
            yield _body(number, "POST", "/connections", connection)
            yield _body(number, "POST", "/segments/known/duplicate", {"name": name})
    yield _body("H60", "POST", "/segments", segment("known"), status=(409, 412, 422))
    for name in ("viewer", "Viewer", "VIEWER", "\uff56iewer"):
        yield _body("H60", "POST", "/users", {"name": name}, status=(409,))
    for name in ("", " ", "x" * 257, " lead", "a\nb", "a\x1b[2J"):
        yield _body("H61", "POST", "/users", {"name": name})
        yield _body("H61", "POST", "/tokens", {"name": name})
    for name in ("a\u0000", "a\ud800"):
        # JSON can write both, and no column holds them
        yield _body("H61", "POST", "/users", {"name": name})
        yield _body("H61", "POST", "/sign-in", {"name": name, "password": "x"}, who=None)
        yield _body("H61", "POST", "/tags/rename", {"name": "a", "new_name": name})
    for tag in ("a\x1b[2J", "a\nlevel=info", "", " ", " lead", "x" * 101):
        yield _body("H61", "POST", "/segments", segment(tags=[tag]))
        tagged = {"action": "tag", "names": ["known"], "add_tags": [tag]}
        yield _body("H61", "POST", "/segments/actions", tagged)
    yield _body("H61", "POST", "/segments", segment(tags=[f"t{n}" for n in range(1_000)]))
    for shown in ("a\x1b[2J", "a\nlevel=info", "a\u0000b", "x" * 201):
        yield _body("H61", "POST", "/segments", segment(display_name=shown))
        renamed = {"action": "rename", "names": ["known"], "display_name": shown}
        yield _body("H61", "POST", "/segments/actions", renamed)


def tokens() -> Iterator[Row]:
    """What is no token, or not one any more; `{viewer}` stands for the viewer's, `{Viewer}` for it in another case."""
    wrong = {
        "H62": (
            (),
            ("Bearer",),
            ("Bearer null",),
            ("Basic {viewer}",),
            ("{viewer}",),
        ),
        "H63": (("Bearer {viewer}x",), ("Bearer {short}",), ("Bearer {Viewer}",)),
        "H64": (("Bearer {expired}",), ("Bearer {revoked}",), ("Bearer {disabled}",)),
        "H65": ((f"Bearer {UNSIGNED}",), (f"Bearer {SIGNED}",)),
        "H67": (("Bearer {viewer}", "Bearer {viewer}"), ("Bearer {viewer}, Bearer {viewer}",)),
    }
    for number, found in wrong.items():
        for values in found:
            headers = tuple(("Authorization", value) for value in values)
            for method, path in (("GET", "/me"), ("POST", "/system/refresh")):
                status = (401,)
                yield Row(
                    number=number,
                    method=method,
                    path=path,
                    who=None,
                    headers=headers,
                    status=status,
                )
    for name in ("token", "access_token", "authorization"):
        path = f"/me?{name}={{viewer}}"
        yield Row(number="H66", method="GET", path=path, who=None, status=(401,))


def parameters() -> Iterator[Row]:
    """What stands in addresses and headers, and bodies of another kind."""
    refused = {
        "H68": (
            "sort=name;DROP TABLE segment",
            "sort=rule_hash",
            "cursor=x",
            "cursor=WzEsMiwzXQ==",
        ),
        "H69": ("limit=-1", "limit=0", "limit=1e9", "limit=NaN", "limit=9223372036854775808"),
    }
    for number, queries in refused.items():
        for query in queries:
            for path in LISTS:
                yield Row(number=number, method="GET", path=f"{path}?{quote(query, safe='=')}")
    for place in ("%00", "..%2f..%2fetc%2fpasswd", "00000000-0000-0000-0000-000000000000", "a%00b"):
        for path in ("/segments", "/exports", "/connections", "/measures", "/runs", "/erasures"):
            yield Row(number="H70", method="GET", path=f"{path}/{place}", status=(404, 422))
    for place in ("0", "-1", "9223372036854775808", "1e3", "x"):
        yield Row(number="H70", method="GET", path=f"/runs/{place}", status=(404, 422))
        yield Row(number="H70", method="POST", path=f"/runs/{place}/cancel", status=(404, 422))
        yield Row(number="H70", method="DELETE", path=f"/tokens/{place}", status=(404, 422))
    for key in ("", "k" * 256, "a\tb"):
        yield _body("H71", "POST", "/segments", segment(), headers=(("Idempotency-Key", key),))
    bodies: list[tuple[dict[str, str], Any, int]] = [
        ({"Content-Type": "text/xml"}, b"<a/>", 415),
        (
            {"Content-Type": "application/json; charset=utf-16"},
            '{"name": "x"}'.encode("utf-16"),
            415,
        ),
        ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(b"0" * 10_000_000), 415),
        (JSON, b"0" * 1_000_001, 413),
        (JSON, ENDLESS, 413),
        (JSON, b"\xff\xfe", 400),
        (JSON, b"[" * 20_000, 422),
        (JSON, b'{"name": "x", "name": "y", "rules": []}', 422),
        (JSON, b"", 422),
    ]
    for headers, content, status in bodies:
        yield Row(
            number="H73",
            method="POST",
            path="/segments",
            headers=tuple(headers.items()),
            content=content,
            status=(status,),
        )
    spoofed = (
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-User", "administrator"),
        ("Host", "evil.example"),
    )
    stays = Row(number="H74", method="POST", path="/system/refresh", who="viewer", status=(403,))
    yield stays
    yield Row(**{**vars(stays), "headers": spoofed})
    yield Row(number="H74", method="GET", path="/users", who=None, headers=spoofed, status=(401,))
    for name in ("workspace_id", "role", "published_version", "created_by", "id", "rev"):
        yield _body("H75", "POST", "/segments", segment(**{name: 7}))
        yield _body("H75", "PATCH", "/users/viewer", {"disabled": False, name: 7})
    elsewhere = (
        ("Origin", "https://evil.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    for path in ("/runs/events?run=1", "/runs/1/progress"):
        found = (400, 401, 403, 404, 426)
        yield Row(number="H76", method="GET", path=path, who=None, headers=elsewhere, status=found)
    asked = (*elsewhere[:1], ("Access-Control-Request-Method", "POST"))
    yield Row(number="H76", method="OPTIONS", path="/segments", headers=asked, status=(405,))


def schedules() -> Iterator[Row]:
    """Times that never come, come too often or are no times, of the system and of a segment."""
    crons = (
        *("* * * * * *", "@reboot", "60 * * * *", "*/0 * * * *", "0 0 31 2 *", "* * * *", ""),
        *("1" * 10_000, "0 0 * * * ; DROP TABLE segment", "\u0000", "\u0663 * * * *"),
    )
    zones = ("Mars/Phobos", "../../etc/localtime", "UTC+3", "EST5EDT", "", "Europe/Paris\u0000")
    given = [("H77", {"cron": cron}) for cron in crons]
    given += [("H78", {"cron": "0 6 * * *", "timezone": zone}) for zone in zones]
    for more in (
        {"start": "1970-01-01T00:00:00Z", "policy": "all"},
        {"start": "2200-01-01T00:00:00Z"},
        {"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    ):
        given.append(("H80", {"cron": "0 6 * * *", **more}))
    for number, schedule in given:
        yield _body(number, "PUT", "/system/schedule", schedule)
        yield _body(number, "POST", "/segments", segment(schedule=schedule))
        act = {"action": "schedule", "names": ["known"], "schedule": schedule}
        yield _body(number, "POST", "/segments/actions", act)
    for minutes in (0, -1, 2**63, "often", None):
        yield _body("H77", "PUT", "/system/arrival", {"minutes": minutes})
    for at in ("0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-12:00", "now"):
        yield _body("H80", "POST", "/segments/refresh", {"names": ["known"], "as_of": at})
        for path in ("/segments/preview", "/segments/plan", "/segments/plan/members"):
            # a contributor without the grant learns that it is missing before anything is read
            answers = (422, 403) if path.endswith("members") else (422,)
            yield _body("H80", "POST", f"{path}?as_of={quote(at)}", segment(), status=answers)
        yield Row(number="H80", method="GET", path=f"/segments/known/plan?as_of={quote(at)}")


TABLE = [*names(), *tokens(), *parameters(), *schedules()]
