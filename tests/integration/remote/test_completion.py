"""A shell completes the commands, and the names of things a server knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.remote.conftest import Run

from muster_console.cli import main

pytestmark = pytest.mark.integration


def test_a_shell_completes_commands_and_names_of_the_server(
    run: Run, served, monkeypatch, capsys, tmp_path: Path
) -> None:
    monkeypatch.setenv("_MUSTER_COMPLETE", "complete_bash")

    def completed(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        code, out = run("")
        assert code == 0
        return out.split()

    assert "segment" in completed("muster seg")
    assert completed("muster segment sh") == ["show"]
    assert completed("muster segment show v") == ["vip"]
    assert completed("muster segment refresh l") == ["loyal"]
    assert completed("muster export show ") == ["crm"]
    assert completed("muster export add crm vi") == ["vip"]
    assert completed("muster connection pause t") == ["there"]
    # options before the command name a server as well as the environment does
    api, _ = served
    token = tmp_path / "token"
    token.write_text(api.tokens["root"])
    with monkeypatch.context() as patch:
        for name in ("MUSTER_SERVER", "MUSTER_TOKEN_FILE"):
            patch.setenv(name, "")
        patch.setenv(
            "COMP_WORDS",
            line := f"muster --server {api.client.base_url} --token-file {token} segment show v",
        )
        patch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        patch.setattr("sys.argv", ["muster"])
        with pytest.raises(SystemExit):
            main()
        assert capsys.readouterr().out.split() == ["vip"]
    # what cannot be asked completes nothing, and says nothing in the middle of a line
    served[0].tokens["gone"] = "muster_x"
    assert run("", who="gone")[1].strip() == ""
