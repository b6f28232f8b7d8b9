"""The commands of docs/segments.md work as they stand there, for people and for programs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from tests.integration.insight.shop import Shop, country, document, ordered
from typer.testing import CliRunner

from muster_console.cli.app import app

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[3] / "docs" / "segments.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def commands(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Everything the page's blocks need is there, and its commands."""
    settings = shop.workspace.settings
    for name, value in (
        ("DATABASE_URL", settings.database()),
        ("REDIS_URL", settings.redis()),
        ("LAKE_URL", settings.lake()),
        ("MUSTER_HOME", str(settings.home)),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "segment.yaml").write_text(yaml.safe_dump(document("chosen", ordered(3))))
    nobody = {"kind": "not", "of": ordered(1, "10 years")}
    shop.publish(document("never_ordered", country("GB")))
    shop.publish(document("never_ordered", nobody))
    shop.publish(document("big_spenders", ordered(5)))
    lines = "".join(BLOCK.findall(PAGE.read_text())).replace("C0001", "C00001").splitlines()
    return [shlex.split(line.removeprefix("$ muster ")) for line in lines]


def test_every_command_of_the_page_works(commands: list[list[str]]) -> None:
    assert len(commands) >= 15
    for words in commands:
        for form in ([], ["--json"]):
            again = form and "--name" in words
            answer = CliRunner().invoke(app, [*words, *form])
            if again:  # it is saved already
                assert "was changed by somebody else" in str(answer.exception)
                continue
            assert answer.exit_code == 0, (words, answer.output, answer.exception)
            if form:
                json.loads(answer.stdout)


def test_an_estimate_is_printed_with_its_interval(commands: list[list[str]]) -> None:
    assert commands
    answer = CliRunner().invoke(app, ["segment", "preview", "segment.yaml", "--estimate"])
    assert re.search(r"members +\d+ \(\d+ to \d+\), [\d.]+ % of all", answer.output)
    assert "95 % intervals" in answer.output
