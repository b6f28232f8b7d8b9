"""The connection document: a destination by name, one kind each, without its credentials.

Credentials have a model of their own for each kind; they are only ever written.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo

from muster_core.catalog.document import Frozen
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import FolderConnection, path_fault
from muster_core.exports.shape import NAME, invalid
from muster_core.security.address import host_fault, url_fault

_PREFIX_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,63}", re.ASCII)
# dots are legal, but no certificate covers them
_BUCKET = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"
_IDENTIFIER = r"^[a-z_][a-z0-9_]{0,40}$"
_MAX_PREFIX = 512
# it is sent as a header, in which an end of line would begin another one
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


def prefix_fault(prefix: str) -> str | None:
    """Return what makes `prefix` unfit to stand before names in a bucket or folder, or None."""
    if len(prefix) > _MAX_PREFIX:
        return f"the prefix is longer than {_MAX_PREFIX} characters"
    if prefix and not all(
        _PREFIX_PART.fullmatch(part) and not part.endswith(".") for part in prefix.split("/")
    ):
        return "a prefix is parts of letters, digits, . _ = - with / between them, and nothing else"
    return None


def _checked(fault: Any) -> AfterValidator:
    def check(value: str) -> str:
        if found := fault(value):
            raise ValueError(found)
        return value

    return AfterValidator(check)


def _server_path_fault(path: str) -> str | None:
    """Return what is wrong with a folder on a server: absolute, or relative to the user's own."""
    plain = path if path.startswith("/") else f"/{path}"
    if any(part in ("", ".") for part in plain[1:].split("/")) and plain != "/":
        return "the path has an empty part"
    return path_fault(str(PurePosixPath(plain)))


def _key_fault(written: str) -> str | None:
    words = written.split()
    if len(words) < 2 or not re.fullmatch(r"[a-z0-9@.-]+", words[0]):
        return "a host key is written as in known_hosts: its type, then the key in base64"
    try:
        key = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return "the second word of a host key is base64"
    # the key begins with the length of its type's name and that name
    size = int.from_bytes(key[:4])
    if len(key) <= 4 + size or key[4 : 4 + size] != words[0].encode():
        return f"the second word of a host key is no {words[0]} key; copy the whole line"
    return None


Host = Annotated[str, _checked(host_fault)]
Url = Annotated[str, _checked(url_fault)]
Prefix = Annotated[str, _checked(prefix_fault)]
Port = Annotated[int, Field(ge=1, le=65535)]
Identifier = Annotated[str, Field(pattern=_IDENTIFIER)]


class _Connection(Frozen):
    name: str = Field(pattern=NAME)
    description: str = Field(default="", max_length=2000)
    #: Most deliveries to it at once.
    concurrency: int = Field(default=2, ge=1, le=64)
    #: Whether contributors may name it in their exports.
    contributors: bool = False


class FolderTarget(_Connection):
    """A folder on a disk the exporter can reach."""

    kind: Literal["folder"]
    path: Annotated[str, _checked(path_fault)]


class S3Target(_Connection):
    """A bucket of S3 or of a server that speaks its protocol."""

    kind: Literal["s3"]
    bucket: str = Field(pattern=_BUCKET)
    prefix: Prefix = ""
    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]{1,32}$")
    endpoint: Url | None = None


class AzureTarget(_Connection):
    """A container of Azure Blob Storage or Data Lake Storage."""

    kind: Literal["azure"]
    account: str = Field(pattern=r"^[a-z0-9]{3,24}$")
    container: str = Field(min_length=3, max_length=63, pattern=r"^[a-z0-9](-?[a-z0-9])+$")
    prefix: Prefix = ""
    endpoint: Url | None = None


class SftpTarget(_Connection):
    """A folder on an SSH server, whose key is known beforehand."""

    kind: Literal["sftp"]
    host: Host
    port: Port = 22
    user: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")
    path: Annotated[str, _checked(_server_path_fault)]
    host_key: Annotated[str, _checked(_key_fault)]


class WebhookTarget(_Connection):
    """An address that takes signed messages as Standard Webhooks describes."""

    kind: Literal["webhook"]
    url: Url
    timeout_seconds: float = Field(default=15, ge=1, le=60)
    #: Most bytes of one message.
    chunk_bytes: int = Field(default=500_000, ge=1_000, le=1_000_000)


class _Database(_Connection):
    host: Host
    port: Port = 5432
    database: str = Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")
    user: str = Field(pattern=r"^[A-Za-z0-9_.@-]{1,63}$")
    sslmode: Literal["verify-full", "verify-ca", "require", "prefer"] = "verify-full"
    db_schema: Identifier = Field(default="public", alias="schema")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PostgresTarget(_Database):
    """A table in PostgreSQL for each export."""

    kind: Literal["postgresql"]


class FeedTarget(_Database):
    """The membership feed: who belongs where and since when, for journey tools."""

    kind: Literal["feed"]
    #: Whether rows of customers that left stay, with the time they left.
    history: bool = True


Target = (
    FolderTarget | S3Target | AzureTarget | SftpTarget | WebhookTarget | PostgresTarget | FeedTarget
)
_TARGETS: TypeAdapter[Target] = TypeAdapter(Annotated[Target, Field(discriminator="kind")])


class _Secret(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoSecret(_Secret):
    """A folder needs no credentials."""


class S3Secret(_Secret):
    """An access key of its own, with as few rights as docs/connections.md names."""

    access_key_id: SecretStr
    secret_access_key: SecretStr


class AzureSecret(_Secret):
    """A key of the account, or a token for the container alone."""

    account_key: SecretStr | None = None
    sas_token: SecretStr | None = None


class SftpSecret(_Secret):
    """A password or a private key."""

    password: SecretStr | None = None
    private_key: SecretStr | None = None
    passphrase: SecretStr | None = None


class WebhookSecret(_Secret):
    """The secret that messages are signed with, ``whsec_`` and 24 to 64 bytes in base64."""

    signing_secret: Annotated[SecretStr, AfterValidator(lambda s: _signing(s))]
    bearer_token: Annotated[SecretStr | None, AfterValidator(lambda s: _token(s))] = None


class DatabaseSecret(_Secret):
    """The password of the database user."""

    password: SecretStr


Secret = S3Secret | AzureSecret | SftpSecret | WebhookSecret | DatabaseSecret | NoSecret
_SECRETS: Mapping[str, type[Any]] = {
    "folder": NoSecret,
    "s3": S3Secret,
    "azure": AzureSecret,
    "sftp": SftpSecret,
    "webhook": WebhookSecret,
    "postgresql": DatabaseSecret,
    "feed": DatabaseSecret,
}


#: The model of a document by its kind.
_KINDS: Mapping[str, type[_Connection]] = {
    "folder": FolderTarget,
    "s3": S3Target,
    "azure": AzureTarget,
    "sftp": SftpTarget,
    "webhook": WebhookTarget,
    "postgresql": PostgresTarget,
    "feed": FeedTarget,
}
#: Every kind of destination, in the order they are offered.
KINDS = tuple(_KINDS)


def target_fields(kind: str) -> Mapping[str, FieldInfo]:
    """Return the fields of a connection document of this kind, by the name they are written under."""
    return {field.alias or name: field for name, field in _KINDS[kind].model_fields.items()}


def secret_fields(kind: str) -> Mapping[str, FieldInfo]:
    """Return the fields of the credentials of this kind."""
    found: Mapping[str, FieldInfo] = _SECRETS[kind].model_fields
    return found


def signing_key(secret: str) -> bytes:
    """Return the bytes of a signing secret.

    Raises:
        ValueError: it is not 24 to 64 bytes in base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a signing secret is whsec_ and 24 to 64 bytes in base64")
    return key


def _token(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not _TOKEN.fullmatch(secret.get_secret_value()):
        raise ValueError("a bearer token has letters, digits and other visible ASCII, no space")
    return secret


def _signing(secret: SecretStr) -> SecretStr:
    signing_key(secret.get_secret_value())
    return secret


def parse_target(data: object, *, file: str | None = None) -> Target:
    """Read one connection document.

    Raises:
        InvalidInput: with every problem and where it is.
    """
    try:
        return _TARGETS.validate_python(data)
    except ValidationError as error:
        # the kind that was chosen is no part of the document's own places
        raise invalid(error, _TARGETS, file=file, leave_out=KINDS) from None


def parse_secret(kind: str, data: object) -> Secret:
    """Read the credentials of a connection of this kind; no message ever quotes them.

    Raises:
        InvalidInput: with every problem.
    """
    try:
        secret: Secret = _SECRETS[kind].model_validate(data)
    except ValidationError as error:
        raise invalid(error, _SECRETS[kind], file="the credentials") from None
    given = [name for name, value in secret if value is not None]
    if kind in ("azure", "sftp") and not given:
        names = " or ".join(type(secret).model_fields)
        raise InvalidInput([Problem(message=f"credentials of this kind are {names}")])
    return secret


def dump_secret(secret: Secret) -> dict[str, str]:
    """Return credentials in the clear, to be sealed at once."""
    return {name: value.get_secret_value() for name, value in secret if value is not None}


def target_json(target: Target) -> dict[str, Any]:
    """Return the document as it is stored."""
    return target.model_dump(mode="json", by_alias=True)


#: What a document says beside where its destination is.
_ELSEWHERE = frozenset(
    {"name", "description", "concurrency", "contributors", "timeout_seconds", "chunk_bytes"}
    | {"history", "sslmode", "region"}
)


def place_of_target(target: Target) -> str:
    """Return which place a target is: equal where what was delivered before is still there.

    It is a hash, since addresses of webhooks can hold what only their receiver should know.
    """
    place = {name: value for name, value in target_json(target).items() if name not in _ELSEWHERE}
    return hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()


def folder_of(connection: FolderConnection) -> FolderTarget:
    """Return the target of an export that names its folder itself."""
    return FolderTarget(name="folder", kind="folder", path=connection.path)
