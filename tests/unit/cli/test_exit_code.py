"""The exit codes are those the command line's page lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from muster_console.cli.output import exit_code
from muster_console.operation.server import OnlyHere, RefusedByServer
from muster_core import errors
from muster_core.errors import InvalidInput, MusterError

PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput([]), 2),
        (errors.SourceMissing(), 2),
        (errors.NotFound(), 3),
        (errors.Conflict(), 4),
        (errors.ChangedMeanwhile(), 4),
        (errors.PartUnavailable(), 5),
        (errors.EngineUnavailable(), 5),
        (OnlyHere(), 1),
        (RefusedByServer(), 1),
        (errors.StoreDamaged(), 1),
    ],
)
def test_every_kind_of_error_has_its_code_and_the_page_lists_it(error: MusterError, code: int):
    assert exit_code(error) == code
    section = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2]
    assert re.findall(r"^\| (\d) \|", section, re.MULTILINE) == list("012345")
