"""The export document people write: which segments go where, with which columns, in which format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from muster_core.catalog.document import Frozen
from muster_core.exports.form import Hash, Normal
from muster_core.exports.shape import NAME, invalid
from muster_core.schedules.cron import next_times, parse_cron
from muster_core.schedules.zone import read_zone

DEFAULT_ROWS_PER_FILE = 1_000_000

#: Names Windows refuses for files; a folder may be shared with it.
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))]
)
_ENCODED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_MAX_PATH = 1024
_MAX_PART_BYTES = 255
_MAX_HEADER = 128
# what pydantic puts into a pointer for a choice; never part of a document
_FOLDER, _NAMED, _CRON, _WORD = "(folder)", "(named)", "(cron)", "(word)"
_CHOICES = frozenset({_FOLDER, _NAMED, _CRON, _WORD})


class Format(StrEnum):
    """What the files of an export are; the value is the end of their name."""

    CSV = "csv"
    CSV_GZ = "csv.gz"
    PARQUET = "parquet"
    JSONL = "jsonl"


class Mode(StrEnum):
    """What a delivery tells its destination."""

    #: All members of the version, by themselves.
    FULL = "full"
    #: What differs from the version the destination acknowledged last.
    CHANGES = "changes"
    #: The same without those who left: they stay at the destination.
    UPSERT = "upsert"
    #: The destination holds exactly the members afterwards.
    MIRROR = "mirror"

    @property
    def tells_changes(self) -> bool:
        """Whether rows say what becomes of them, and a delivery stands on the one before."""
        return self in (Mode.CHANGES, Mode.UPSERT)


#: Where deliveries of changes say what becomes of a row.
OPERATION = "operation"


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


def path_fault(path: str) -> str | None:
    """Return what makes `path` unfit to be a target folder, or None; the disk is not looked at."""
    parts = PurePosixPath(path).parts
    if not path.startswith("/"):
        return "the path of a folder is absolute: it begins with /"
    if len(path) > _MAX_PATH or any(
        len(p.encode(errors="replace")) > _MAX_PART_BYTES for p in parts
    ):
        return (
            f"the path is longer than {_MAX_PATH} characters or a part than {_MAX_PART_BYTES} bytes"
        )
    if _has_controls(path):
        return "the path holds control or invisible characters"
    if "\\" in path or _ENCODED.search(path):
        return "the path holds a backslash or a percent-encoded separator"
    if ".." in parts or any(p.startswith("~") for p in parts):
        return "the path holds a part that stands for another folder (.. or ~)"
    if "{" in path or "}" in path:
        return "paths have no placeholders; Muster names the folders below the path itself"
    if any(p.endswith((".", " ")) or p.lower().split(".")[0] in RESERVED for p in parts[1:]):
        return "the path has a part that is reserved, or that ends in a dot or a space"
    return None


class FolderConnection(Frozen):
    """A folder on a disk the exporter can reach."""

    kind: Literal["folder"]
    path: str

    @field_validator("path")
    @classmethod
    def _safe(cls, path: str) -> str:
        if fault := path_fault(path):
            raise ValueError(fault)
        return path


def _connection_tag(value: object) -> str:
    return _NAMED if isinstance(value, str) else _FOLDER


#: A folder in place, or the name of a connection.
ExportConnection = Annotated[
    Annotated[FolderConnection, Tag(_FOLDER)] | Annotated[str, Field(pattern=NAME), Tag(_NAMED)],
    Discriminator(_connection_tag),
]


class ExportCron(Frozen):
    """Times of the export's own at which it delivers what is published then."""

    cron: str
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _readable(self) -> ExportCron:
        read_zone(self.timezone)
        parse_cron(self.cron, self.timezone)
        return self


class Policy(StrEnum):
    """What becomes of a delivery that waits while a newer version is published."""

    #: It is superseded: the destination gets the newest one.
    LATEST = "latest"
    #: It stays: the destination gets every version, one after the other.
    EVERY = "every"


AFTER_REFRESH, MANUAL = "after_refresh", "manual"

ExportSchedule = Annotated[
    Annotated[Literal["after_refresh", "manual"], Tag(_WORD)] | Annotated[ExportCron, Tag(_CRON)],
    Discriminator(lambda value: _WORD if isinstance(value, str) else _CRON),
]


class ExportColumn(Frozen):
    """One column of the profile, under its own or another name."""

    column: str = Field(min_length=1)
    as_: str | None = Field(default=None, alias="as", min_length=1, max_length=_MAX_HEADER)
    #: The form that its text is brought into.
    normalise: Normal | None = None
    #: How its text is hashed, after that.
    hash_: Hash | None = Field(default=None, alias="hash")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("as_")
    @classmethod
    def _printable(cls, name: str | None) -> str | None:
        if name is not None and (_has_controls(name) or name != name.strip()):
            raise ValueError("a column name holds no control characters and no spaces at its ends")
        return name

    @property
    def header(self) -> str:
        """Return the name under which the column is delivered."""
        return self.as_ or self.column

    @property
    def is_plain(self) -> bool:
        """Whether its values are delivered as they are."""
        return self.normalise is None and self.hash_ is None


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _no_reserved_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError("this name is reserved by some file systems")
    return name


class Holdout(Frozen):
    """A share of all customers who are never sent, always the same ones for the same name."""

    percent: float = Field(gt=0, lt=100, allow_inf_nan=False)
    #: Exports that name the same one leave out the same customers; the export's own name where nothing is said.
    name: str | None = Field(default=None, min_length=1, max_length=100)


class ExportDocument(Frozen):
    """A whole export as written; `columns` does not name the customer key, which is always first."""

    name: str = Field(pattern=NAME)
    description: str = Field(default="", max_length=2000)
    connection: ExportConnection
    segments: list[str] = Field(min_length=1, max_length=1000)
    columns: list[Annotated[ExportColumn, BeforeValidator(_column)]] = Field(
        default=[], max_length=500
    )
    #: Segments whose members are never sent.
    suppress: list[str] = Field(default=[], max_length=100)
    holdout: Holdout | None = None
    #: None: what is usual for the kind of the destination.
    mode: Mode | None = None
    format: Format = Format.CSV
    rows_per_file: int = Field(default=DEFAULT_ROWS_PER_FILE, ge=1, le=100_000_000)
    #: CSV only: text that a spreadsheet would run as a formula is written as it is.
    raw: bool = False
    schedule: ExportSchedule = "after_refresh"
    policy: Policy = Policy.LATEST
    active: bool = True

    @field_validator("name")
    @classmethod
    def _free_name(cls, name: str) -> str:
        return _no_reserved_name(name)

    @field_validator("segments")
    @classmethod
    def _once(cls, segments: list[str]) -> list[str]:
        if len(set(segments)) != len(segments):
            raise ValueError("a segment is named twice")
        return segments

    @model_validator(mode="after")
    def _consistent(self) -> ExportDocument:
        headers = [c.header for c in self.columns]
        if len(set(headers)) != len(headers):
            raise ValueError("two columns have the same name; give one another with `as`")
        if len(set(self.suppress)) != len(self.suppress) or set(self.suppress) & set(self.segments):
            raise ValueError("`suppress` names a segment twice, or one that is delivered")
        if self.mode is not None and self.mode.tells_changes and OPERATION in headers:
            raise ValueError(
                f"`{OPERATION}` says what changed; give the column another name with `as`"
            )
        if self.policy is Policy.EVERY and self.schedule != AFTER_REFRESH:
            raise ValueError(
                "`policy: every` delivers after each refresh, and has no other schedule"
            )
        if self.raw and self.format not in (Format.CSV, Format.CSV_GZ):
            raise ValueError("`raw` is about CSV; other files always hold the values as they are")
        return self

    def next_due(self, after: datetime) -> datetime | None:
        """Return when the export delivers by itself next; None where it has no times of its own."""
        if not isinstance(self.schedule, ExportCron):
            return None
        (due,) = next_times(parse_cron(self.schedule.cron, self.schedule.timezone), after, 1)
        return due

    @property
    def folder(self) -> str | None:
        """Return the folder that the export names itself; None where it names a connection."""
        return None if isinstance(self.connection, str) else self.connection.path

    @property
    def target(self) -> str:
        """Return where the export goes, for people: the folder, or the connection's name."""
        return self.connection if isinstance(self.connection, str) else self.connection.path

    def to_json(self) -> dict[str, Any]:
        """Return the document as it is stored: plain JSON that `parse_export` reads back."""
        return self.model_dump(mode="json", by_alias=True)


def transforms(document: ExportDocument) -> dict[str, ExportColumn]:
    """Return the columns that are delivered in another form than they have, by their name at the destination."""
    return {c.header: c for c in document.columns if not c.is_plain}


def layout(document: ExportDocument, key: str, extra: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (name in the files, column) of every column: the customer key is always first.

    Naming the key among the columns gives it another name and no other place. The segment's `extra` columns
    follow, without those that are named already or whose name is taken.
    """
    named = next((c for c in document.columns if c.column == key), None)
    others = [(c.header, c.column) for c in document.columns if c is not named]
    pairs = [(named.header if named else key, key), *others]
    taken = {word for pair in pairs for word in pair}
    return [*pairs, *((name, name) for name in extra if name not in taken)]


def parse_export(data: object, *, file: str | None = None) -> ExportDocument:
    """Read one export document.

    Raises:
        InvalidInput: with every problem and where it is, as a JSON pointer.
    """
    try:
        return ExportDocument.model_validate(data)
    except ValidationError as error:
        raise invalid(error, ExportDocument, file=file, leave_out=_CHOICES) from error
