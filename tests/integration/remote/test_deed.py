"""Commands that change something do and say the same against a server as on its own machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.integration.api.world import EXPORT
from tests.integration.remote.conftest import SEGMENT, Run

pytestmark = pytest.mark.integration

#: What differs from one time to the next: instants, numbers of runs and of deliveries.
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+]00:00|Z)?|(?<=\"actor\": )\"[^\"]*\""
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
