"""What goes wrong against a server is told, and ends, as on its own machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.integration.remote.conftest import SEGMENT, Run

from muster_console.api.policy import every_route
from muster_console.cli import main
from muster_console.operation.remote import WAYS

pytestmark = pytest.mark.integration


def test_errors_have_the_exit_codes_they_have_here(run: Run, served, tmp_path: Path) -> None:
    api, _ = served
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SEGMENT.replace("age", "agee"))
    for command, code in (
        (f"segment apply {wrong}", 2),
        ("segment show nobody", 3),
        ("run cancel 1", 4),
        ("connection delete there", 4),
    ):
        there, here = run(f"{command} --json"), run(f"{command} --json", here=True)
        assert there[0] == here[0] == code, command
        assert json.loads(there[1])["error"]["code"] == json.loads(here[1])["error"]["code"]
    problem = json.loads(run(f"segment apply {wrong} --json")[1])["error"]["problems"][0]
    assert (problem["file"], problem["line"]) == (str(wrong), 4)
    for command in ("system migrate", "system status --of worker", "admin bump-epoch"):
        code, out = run(f"{command} --json")
        assert (code, json.loads(out)["error"]["code"]) == (1, "only_here"), command
    for command, who, said in (
        ("user list", "viewer", "not_allowed"),
        ("segment members vip", "administrator", "not_allowed"),
    ):
        code, out = run(f"{command} --json", who=who)
        assert (code, json.loads(out)["error"]["code"]) == (1, said)
    api.tokens["gone"] = "muster_x"
    code, out = run("segment list --json", who="gone")
    assert (code, json.loads(out)["error"]["code"]) == (1, "not_signed_in")


def test_a_server_that_is_not_there_is_worth_another_try(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr("muster_console.cli.configure_logging", lambda **_: None)
    # what the options say becomes a setting, which is to end with this test
    for name in ("MUSTER_SERVER", "MUSTER_TOKEN_FILE"):
        monkeypatch.setenv(name, "")
    token = tmp_path / "token"
    token.write_text("muster_secret\n")

    def end(*options: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["muster", *options, "segment", "list", "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    code, out = end("--server", "http://127.0.0.1:1", "--token-file", str(token))
    assert (code, json.loads(out)["error"]["code"]) == (5, "part_unavailable")
    assert "muster_secret" not in out
    for url in ("ftp://somewhere", "nonsense"):
        assert end("--server", url, "--token-file", str(token))[0] == 2
    assert end("--server", "http://127.0.0.1:1", "--token-file", str(tmp_path / "no"))[0] == 2


def test_every_way_is_a_route_of_the_server(served) -> None:
    api, _ = served
    routes = {
        (method, str(route.path).removeprefix("/api/v1"))
        for route in every_route(api.app)
        for method in route.methods or ()
    }

    def shape(path: str) -> list[str]:
        return ["*" if part.startswith("{") else part for part in path.split("/")]

    known = {(method, tuple(shape(path))) for method, path in routes}
    for name, way in WAYS.items():
        told = [shape(way.path)]
        for parameter, values in way.values.items():
            if f"{{{parameter}}}" in way.path and not callable(values):
                told += [
                    shape(way.path.replace(f"{{{parameter}}}", str(said)))
                    for said in values.values()
                ]
        assert any((way.method, tuple(path)) in known for path in told), name
