"""The command line against a server: the same commands, the same answers, the same exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from tests.integration.api.conftest import Api
from tests.integration.api.test_export import save
from tests.integration.api.world import EXPORT, published_api

from muster_console.api.policy import every_route
from muster_console.cli import main
from muster_console.operation.access import create_person, create_token
from muster_console.operation.remote import WAYS
from muster_console.operation.workspace import Workspace
from muster_core.security.role import Role

pytestmark = pytest.mark.integration

Run = Callable[..., tuple[int, str]]

SEGMENT = """
name: old
rules:
  - where: {kind: attribute, column: age, compare: gt, value: 60}
"""
#: What differs from one time to the next: instants, numbers of runs and of deliveries.
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+]00:00|Z)?|(?<=\"actor\": )\"[^\"]*\""
)
#: Commands that only look, and must say the same wherever they are asked.
LOOKS = (
    "segment list",
    "segment show vip",
    "segment show vip --counts",
    "segment slowest",
    "segment members vip --limit 5 --columns email",
    "run list",
    "run list --segment vip",
    "run show 1",
    "run held",
    "runs",
    "export list",
    "export show crm",
    "export of loyal",
    "export deliveries --export crm",
    "export refused crm",
    "connection list",
    "connection show there",
    "measure list",
    "catalog show",
    "system schedule show",
    "system arrival show",
    "system list",
    "segment versions vip",
    "segment usage vip",
    "segment validate vip",
    "segment list --deleted",
    "tag list",
    "settings list",
    "limits",
    "cleanup --dry-run",
    "customer receipts",
    "user list",
    "token list",
)
#: Commands that change something, in the order of one life: done there to `alpha`, and here to `bravo`.
LIFE = (
    "segment create {x} --where age>60 --tag {x}-tag",
    "segment create {x} --where age>60",
    "segment create {x}-wrong --where agee>60",
    "segment create {x}-draft --where agee>60 --draft",
    "segment create {x}-file -f {folder}/one.yaml",
    "segment create {x}-file2 -f {folder}/wrong.yaml",
    "segment validate {x}",
    "segment validate {x}-draft",
    "segment edit {x} -f {folder}/edit.yaml",
    "segment edit {x} -f {folder}/edit.yaml",
    "segment edit {x} -f {folder}/wrong.yaml",
    "segment edit {x}-nobody -f {folder}/edit.yaml",
    "segment versions {x}",
    "segment versions {x} --rev 1",
    "segment diff {x}",
    "segment diff {x} 1 2",
    "segment diff {x}-draft",
    "segment rollback {x} 1",
    "segment rollback {x} 7",
    "segment duplicate {x} {x}-copy --display-name Copy",
    "segment duplicate {x} vip",
    "segment usage vip",
    "segment usage {x}",
    "segment rename {x} Renamed",
    "segment tag {x} {x}-nobody --add more --remove {x}-tag",
    "segment tag --with-tag more --add {x}-tag",
    "tag rename {x}-tag {x}-label",
    "tag rename {x}-tag {x}-label",
    "tag delete {x}-label",
    "segment schedule {x} --cron 0:6:*:*:* --timezone UTC",
    "segment schedule {x} --cron nonsense",
    "segment cleanup {x} --exempt",
    "segment cleanup {x} --allow",
    "segment deactivate --search {x}-f",
    "segment activate {x}-file {x}-draft",
    "cleanup --dry-run",
    "settings set cleanup_days 300",
    "settings set cleanup_days default",
    "settings set cleanup_days 0",
    "plan -f {folder}/code",
    "plan -f {folder}/code --check",
    "apply -f {folder}/code",
    "apply -f {folder}/code",
    "plan -f {folder}/code --check",
    "plan -f {folder}/wrong.yaml",
    "apply -f {folder}/nowhere",
    "rules check {folder}/wrong.yaml",
    "export -f {folder}/written",
    "export create {x}-out --segment vip --to there",
    "export duplicate {x}-out {x}-out2",
    "export create {x}-out --segment vip --to there",
    "export deliver {x}-out",
    "export delete {x}-out2",
    "segment delete {x}",
    "segment restore {x}",
    "segment restore {x}-nobody",
    "segment delete {x}-copy {x}-file --force",
    "customer receipt 77",
)


@pytest.fixture
def served(database: sa.Engine, database_url: str, redis_url: str, tmp_path: Path):
    with published_api(database, database_url, redis_url, tmp_path) as (api, workspace, _):
        save(api)
        api.call("contributor", "POST", "/exports/crm/deliver")
        create_person(workspace, "root", Role.ADMINISTRATOR, members=True, password=None)
        api.tokens["root"] = create_token(workspace, "root", "x", role=None, members=True)[1]
        yield api, workspace


@pytest.fixture
def run(served: tuple[Api, Workspace], monkeypatch, capsys, tmp_path: Path) -> Run:
    """Run a command there, or `here` on the machine itself; return its exit code and what it printed."""
    api, workspace = served
    settings = workspace.settings
    monkeypatch.setattr("muster_console.cli.configure_logging", lambda **_: None)

    def call(command: str, *more: str, here: bool = False, who: str = "root") -> tuple[int, str]:
        with monkeypatch.context() as patch:
            if here:
                patch.setenv("DATABASE_URL", settings.database())
                patch.setenv("REDIS_URL", settings.redis())
                patch.setenv("LAKE_URL", settings.lake())
                patch.setenv("MUSTER_HOME", str(settings.home))
            else:
                patch.setenv("MUSTER_HOME", str(tmp_path / "no-home"))
                patch.setenv("MUSTER_SERVER", str(api.client.base_url))
                patch.setenv("MUSTER_TOKEN", api.tokens[who])
            patch.setattr("sys.argv", ["muster", *command.split(), *more])
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0), capsys.readouterr().out

    return call


def test_what_is_looked_at_is_the_same_there_as_here(run: Run) -> None:
    for look in LOOKS:
        there, here = run(f"{look} --json"), run(f"{look} --json", here=True)
        if look == "token list":
            # asking there is itself a use of a token
            parts = [json.loads(out) for _, out in (there, here)]
            for token in [*parts[0], *parts[1]]:
                token.pop("last_used_at")
            assert parts[0] == parts[1]
        elif look == "cleanup --dry-run":
            # of its own instant each
            assert [json.loads(out) | {"at": None} for _, out in (there, here)] == [
                json.loads(there[1]) | {"at": None}
            ] * 2
        else:
            assert there == here, look
        assert there[0] == 0, look
        code, _ = run(look)
        assert code == 0, look


def test_what_is_done_there_is_done(run: Run, tmp_path: Path) -> None:
    def there(command: str, *more: str):
        code, out = run(command, *more, "--json")
        assert code == 0, (command, out)
        return json.loads(out)

    file = tmp_path / "old.yaml"
    file.write_text(SEGMENT)
    assert there("segment apply", str(file))[0]["change"] == "created"
    (asked,) = there("segment refresh old --no-wait")["runs"]
    assert there("segment cancel old") == [{"run": asked["run_id"], "state": "cancelled"}]
    assert there("run show", str(asked["run_id"]))["state"] == "cancelled"
    assert there("segment delete old")[0]["outcome"] == "deleted"
    saved = tmp_path / "members.csv"
    found = there("segment download vip --columns email --to", str(saved))
    assert len(saved.read_text().splitlines()) == found["rows"] + 1
    export = tmp_path / "export.yaml"
    export.write_text(yaml.safe_dump({**EXPORT, "name": "more"}))
    assert there("export check", str(export))[0]["problems"] == []
    assert there("export apply", str(export)) == [{"name": "more", "change": "created"}]
    assert there("export add more loyal")["change"] == "changed"
    assert there("export remove more loyal")["change"] == "changed"
    delivery = there("export deliveries --export crm")[0]["id"]
    for verb, state in (("hold", "held"), ("release", "pending"), ("cancel", "cancelled")):
        assert there(f"export {verb} {delivery}")["state"] == state
    assert there("export delete more")["deliveries"] == 0
    secret, connection = tmp_path / "secret.yaml", tmp_path / "connection.yaml"
    secret.write_text("password: a-secret-of-mine\n")
    connection.write_text(
        "name: far\nkind: feed\nhost: db.example.org\ndatabase: d\nuser: u\nschema: s\n"
    )
    made = there("connection create", str(connection), "--secrets", str(secret))
    assert made == {"name": "far", "change": "created"}
    assert there("connection show far")["credentials"] == {"set": True, "revision": 1}
    there("connection rotate far --secrets", str(secret))
    assert there("connection pause far")["held"] == 0
    assert there("connection resume far")["released"] == 0
    assert there("connection detach far")["detached"] == []
    there("connection delete far")
    assert there("system schedule set --at 06:00")["schedule"].startswith("daily")
    assert there("system schedule off")["schedule"] == "off"
    assert there("system arrival set --every 30")["arrival"]["every"] == 1800
    assert there("system arrival off") == {"arrival": None}
    refresh = there("system refresh --no-wait")["system_refresh_id"]
    assert there(f"system show {refresh}")["id"] == refresh
    there("user create eve --role contributor")
    token = there("token create eve --days 3")
    assert token["token"].startswith("muster_")
    there("user change eve --disable")
    assert there(f"token revoke {token['id']}")["change"] == "revoked"
    assert there("audit list --limit 5")[0]["action"] == "token.revoked"
    assert there("audit verify")["entries"] > 20


def _documents(folder: Path, name: str) -> None:
    """Write the files that `LIFE` names, with `name` in their names."""
    (folder / "code").mkdir(parents=True)
    old = SEGMENT.replace("old", name)
    (folder / "one.yaml").write_text(SEGMENT.replace("old", f"{name}-file"))
    (folder / "edit.yaml").write_text(old.replace("60", "70"))
    (folder / "wrong.yaml").write_text(old.replace("age", "agee"))
    (folder / "code" / f"{name}-code.yaml").write_text(SEGMENT.replace("old", f"{name}-code"))
    folder_export = {"kind": "folder", "path": "out"}
    export = {"name": f"{name}-crm", "connection": folder_export, "segments": [f"{name}-code"]}
    (folder / "code" / "export.yaml").write_text(yaml.safe_dump(export))


def test_every_verb_does_and_says_the_same_there_as_here(run: Run, tmp_path: Path) -> None:
    said: dict[bool, list[tuple[str, int, str]]] = {False: [], True: []}
    for name, here in (("alpha", False), ("bravo", True)):
        folder = tmp_path / name
        _documents(folder, name)
        for command in LIFE:
            words = command.format(x=name, folder=folder).split()
            words = [word.replace(":", " ") if word.count(":") == 4 else word for word in words]
            code, out = run("", *words, "--json", here=here)
            json.loads(out)
            out = out.replace(str(folder), "FOLDER").replace(name, "NAME")
            said[here].append((command, code, _VOLATILE.sub("SOME", out)))
        # what one of them leaves behind the other must not find
        run("segment delete --force --search", name, here=True)
        for export in ("out", "crm"):
            run(f"export delete {name}-{export}", here=True)
    differ = [(t, h) for t, h in zip(*said.values(), strict=True) if t != h]
    assert not differ, "\n".join(f"there {t}\nhere  {h}" for t, h in differ)


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


def test_lists_are_sorted_by_any_column_page_by_page(run: Run) -> None:
    for command, number, columns in (
        ("audit list", "seq", ("actor", "action", "at", "seq")),
        ("run list", "run_id", ("state", "finished_at", "members", "error", "run_id")),
        ("export deliveries", "id", ("segment", "state", "rows", "created_at", "id")),
    ):
        whole = json.loads(run(f"{command} --json")[1])
        assert whole
        for column in columns:
            for down in ("-", ""):
                found: list[dict[str, Any]] = []
                cursor: list[str] = []
                while True:
                    order = f"--sort={down}{column} --limit {max(1, len(whole) // 2)} --page --json"
                    here = len(found) % 2 == 0
                    code, out = run(command, *order.split(), *cursor, here=here)
                    assert code == 0, out
                    page = json.loads(out)
                    found += page["items"]
                    if page["next"] is None:
                        break
                    cursor = ["--cursor", page["next"]]
                # every row once, in order, missing values last
                assert {one[number] for one in found} >= {one[number] for one in whole}
                assert len({one[number] for one in found}) == len(found)
                values = [one[column] for one in found]
                given = [value for value in values if value is not None]
                assert given == sorted(given, reverse=bool(down))
                assert values[: len(given)] == given
        for wrong in ("--sort=nothing", "--cursor=eA==", "--cursor=x"):
            refused = run(command, wrong, "--json")
            assert refused == run(command, wrong, "--json", here=True)
            assert refused[0] == 2
    assert json.loads(run("audit list --action nothing --json")[1]) == []
    assert json.loads(run("run list --trigger nothing --json")[1]) == []


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
