"""The export document people write: which segments go where, with which columns, in which format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from muster_core.catalog.document import Frozen
from muster_core.errors import InvalidInput, Problem

DEFAULT_ROWS_PER_FILE = 1_000_000

#: Names Windows refuses for files; a folder may be shared with it.
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))]
)
_ENCODED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_MAX_PATH = 1024
_MAX_PART_BYTES = 255
_MAX_HEADER = 128


class Format(StrEnum):
    """What the files of an export are; the value is the end of their name."""

    CSV = "csv"
    CSV_GZ = "csv.gz"
    PARQUET = "parquet"


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


class ExportColumn(Frozen):
    """One column of the profile, under its own or another name."""

    column: str = Field(min_length=1)
    as_: str | None = Field(default=None, alias="as", min_length=1, max_length=_MAX_HEADER)

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


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _no_reserved_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError("this name is reserved by some file systems")
    return name


class ExportDocument(Frozen):
    """A whole export as written; `columns` does not name the customer key, which is always first."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    description: str = Field(default="", max_length=2000)
    connection: FolderConnection
    segments: list[str] = Field(min_length=1, max_length=1000)
    columns: list[Annotated[ExportColumn, BeforeValidator(_column)]] = Field(
        default=[], max_length=500
    )
    format: Format = Format.CSV
    rows_per_file: int = Field(default=DEFAULT_ROWS_PER_FILE, ge=1, le=100_000_000)
    #: CSV only: text that a spreadsheet would run as a formula is written as it is.
    raw: bool = False
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
        if self.raw and self.format is Format.PARQUET:
            raise ValueError("`raw` is about CSV; Parquet files always hold the values as they are")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the document as it is stored: plain JSON that `parse_export` reads back."""
        return self.model_dump(mode="json", by_alias=True)


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
        raise InvalidInput(
            [
                Problem(
                    message=str(fault["msg"]).removeprefix("Value error, "),
                    pointer="".join(f"/{_escape(part)}" for part in fault["loc"]),
                    file=file,
                )
                for fault in error.errors(include_url=False, include_input=False)
            ],
            f"The export document has {error.error_count()} problem(s)",
        ) from error


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
