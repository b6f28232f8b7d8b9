"""Connection documents: hostile names are refused, and credentials are never quoted."""

from __future__ import annotations

import base64

import pytest

from muster_core.errors import InvalidInput
from muster_core.exports.connection import parse_secret, parse_target

S3 = {"name": "c", "kind": "s3", "bucket": "crm-data"}
SFTP = {
    "name": "c",
    "kind": "sftp",
    "host": "files.example.com",
    "user": "muster",
    "path": "in/crm",
    "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEE=",
}
DATABASE = {
    "name": "c",
    "kind": "postgresql",
    "host": "db.example.com",
    "database": "crm",
    "user": "muster",
}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({**S3, "prefix": "../../etc/cron.d/x"}, "/prefix"),
        ({**S3, "prefix": "/absolute"}, "/prefix"),
        ({**S3, "prefix": "~/.ssh/authorized_keys"}, "/prefix"),
        ({**S3, "prefix": "a/../../b"}, "/prefix"),
        ({**S3, "prefix": "..%2f..%2f"}, "/prefix"),
        ({**S3, "prefix": "..\\..\\"}, "/prefix"),
        ({**S3, "prefix": "a\x00b"}, "/prefix"),
        ({**S3, "prefix": "a\nb"}, "/prefix"),
        ({**S3, "prefix": "dot."}, "/prefix"),
        ({**S3, "prefix": "p" * 300}, "/prefix"),
        ({**S3, "prefix": "\u202egnp.exe"}, "/prefix"),
        ({**S3, "prefix": "{segment.__init__.__globals__}"}, "/prefix"),
        ({**S3, "bucket": ".."}, "/bucket"),
        ({**S3, "bucket": "Crm"}, "/bucket"),
        ({**S3, "endpoint": "http://user:pass@127.0.0.1:9000"}, "/endpoint"),
        ({**SFTP, "path": "../x"}, "/path"),
        ({**SFTP, "path": "a//b"}, "/path"),
        ({**SFTP, "host_key": "SHA256"}, "/host_key"),
        ({**SFTP, "host_key": "ssh-ed25519 AAAA"}, "/host_key"),
        ({**SFTP, "host_key": "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIEE="}, "/host_key"),
        ({k: v for k, v in SFTP.items() if k != "host_key"}, "/host_key"),
        ({**SFTP, "user": "a b"}, "/user"),
        ({**DATABASE, "schema": "members; DROP TABLE x"}, "/schema"),
        ({**DATABASE, "host": "/var/run/postgresql"}, "/host"),
        ({**DATABASE, "host": "db options=-csearch_path=x"}, "/host"),
        ({**DATABASE, "sslkey": "/etc/ssl/private.key"}, "/sslkey"),
        ({**DATABASE, "database": "crm user=postgres"}, "/database"),
    ],
)
def test_hostile_documents_are_refused(document, pointer) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_target(document)
    assert [p.pointer for p in caught.value.problems] == [pointer]


@pytest.mark.parametrize("document", [S3, SFTP, DATABASE])
def test_plain_documents_are_read_back_as_written(document) -> None:
    target = parse_target(document)
    assert parse_target(target.model_dump(mode="json", by_alias=True)) == target


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("s3", {"access_key_id": "canary-1"}),
        ("s3", {"access_key_id": "canary-1", "secret_access_key": ["canary-2"]}),
        ("webhook", {"signing_secret": "whsec_canary"}),
        ("postgresql", {"password": "canary", "extra": "canary"}),
        ("sftp", {}),
        ("postgresql", "canary"),
    ],
)
def test_wrong_credentials_are_refused_without_quoting_them(kind, given) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_secret(kind, given)
    assert "canary" not in f"{caught.value} {caught.value.problems} {caught.value.__cause__}"


@pytest.mark.parametrize("token", ["a\r\nX-Evil: b", "a b", "", "\u00e9"])
def test_a_bearer_token_that_is_no_header_is_refused(token):
    signing = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
    with pytest.raises(InvalidInput) as caught:
        parse_secret("webhook", {"signing_secret": signing, "bearer_token": token})
    assert [p.pointer for p in caught.value.problems] == ["/bearer_token"]
    parse_secret("webhook", {"signing_secret": signing, "bearer_token": "eyJ.x-_~/+="})
