"""Documents on disk: which files a path means, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from muster_core.documents.text import Written
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import Format

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def document_files(path: Path) -> list[Path]:
    """Return the file itself, or every document file below a folder, by name.

    Raises:
        InvalidInput: there is no such file, or the folder holds no document.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise _wrong(path, "there is no such file or folder")
    found = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
    if not found:
        raise _wrong(path, "the folder holds no .yaml, .yml or .json file")
    return found


def read_file(path: Path) -> str:
    """Return what the file says.

    Raises:
        InvalidInput: it cannot be read as UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise _wrong(path, "there is no such file") from exc
    except UnicodeDecodeError as exc:
        raise _wrong(path, "not text in UTF-8") from exc
    except OSError as exc:
        raise _wrong(path, f"cannot be read: {exc.strerror}") from exc


def file_format(path: Path) -> Format:
    """Return the format that the end of a new file's name says, where the file can be made.

    Raises:
        InvalidInput: the name says none, or its folder does not exist.
    """
    if not path.absolute().parent.is_dir():
        lead = f"the folder {path.absolute().parent} does not exist"
        raise InvalidInput([Problem(message=lead, hint="Make it first.")])
    # the longest end first: .csv.gz ends in neither .csv nor .parquet, but that may change
    for form in sorted(Format, key=len, reverse=True):
        if path.name.endswith(f".{form}"):
            return form
    known = ", ".join(f".{form}" for form in Format)
    raise InvalidInput(
        [Problem(message=f"the format of {path.name} is not clear", hint=f"Its end is {known}.")]
    )


def repeated(documents: Iterable[Written]) -> list[Problem]:
    """Return a problem for every document whose name another one before it has."""
    problems: list[Problem] = []
    first: dict[str, Problem] = {}
    for written in documents:
        name = written.data.get("name") if isinstance(written.data, dict) else None
        if not isinstance(name, str):
            continue
        here = written.place(Problem(message="", pointer="/name"))
        if name not in first:
            first[name] = here
            continue
        there = ":".join(str(part) for part in (first[name].file, first[name].line) if part)
        problems.append(replace(here, message=f"`{name}` is defined in {there} already"))
    return problems


def _wrong(path: Path, message: str) -> InvalidInput:
    return InvalidInput([Problem(message=message, file=str(path))])
