"""Catalogs as people write them: YAML in, a `CatalogDocument` or every problem with its line out."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from muster_core.catalog.document import CatalogDocument
from muster_core.errors import InvalidInput, Problem


def read_catalog(text: str, file: str) -> CatalogDocument:
    """Read a catalog from YAML (or JSON, which is YAML); `file` is named in problems.

    Raises:
        InvalidInput: the text is no YAML, repeats a key, or does not have the fields of a catalog.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        raise InvalidInput(
            [
                Problem(
                    message=f"not readable as YAML: {exc.problem}",
                    file=file,
                    line=mark.line + 1 if mark else None,
                    column=mark.column + 1 if mark else None,
                )
            ]
        ) from exc
    if root is None:
        raise InvalidInput([Problem(message="the file is empty", file=file)])
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    data = _construct(loader, root, "", file, lines, problems)
    if problems:
        raise InvalidInput(problems)
    return _validate(data, file, lines)


def _construct(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    pointer: str,
    file: str,
    lines: dict[str, int],
    problems: list[Problem],
) -> Any:
    lines[pointer] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, item, f"{pointer}/{i}", file, lines, problems)
            for i, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        inner = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if key in found:
            problems.append(
                Problem(
                    message=f"{key} is written twice",
                    pointer=inner,
                    file=file,
                    line=key_node.start_mark.line + 1,
                )
            )
        found[key] = _construct(loader, value_node, inner, file, lines, problems)
        lines[inner] = key_node.start_mark.line + 1
    return found


def _validate(data: Any, file: str, lines: dict[str, int]) -> CatalogDocument:
    try:
        return CatalogDocument.model_validate(data)
    except ValidationError as exc:
        raise InvalidInput([_problem(error, file, lines) for error in exc.errors()]) from exc


def _problem(error: Any, file: str, lines: dict[str, int]) -> Problem:
    pointer = "".join(f"/{str(p).replace('~', '~0').replace('/', '~1')}" for p in error["loc"])
    known = pointer
    while known not in lines:
        known = known.rpartition("/")[0]
    message = {
        "extra_forbidden": "this field does not exist",
        "missing": "this field is required",
    }.get(error["type"], error["msg"])
    return Problem(message=message, pointer=pointer, file=file, line=lines[known])
