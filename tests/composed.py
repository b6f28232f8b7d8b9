"""The processes of ``infra/docker-compose.yml`` without Docker: same commands, same variables, local addresses.

An image becomes an interpreter, a volume a folder, and a host's name 127.0.0.1 with a port of its own.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from tests.running import bare_environment
from tests.waiting import eventually

CHECKOUT = Path(__file__).parents[1]
COMPOSE = CHECKOUT / "infra" / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")

#: What no container is told, and what changes nothing but how fast a short life begins.
_TUNING = {"JAVA_TOOL_OPTIONS", "MUSTER_ENGINE_SHORT_LIVED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands in for the containers' network and disks; both are replaced wherever they occur in a value."""

    #: ``host:port`` or a host as the file has it, to a local address.
    addresses: Mapping[str, str]
    #: Folder in a container, to a local one.
    folders: Mapping[str, Path]
    #: What the file asks the operator for.
    secrets: Mapping[str, str]
    #: Interpreter of an image; this one, unless it is named here.
    pythons: Mapping[str, Path]
    #: Program of an image that is not Muster's own.
    programs: Mapping[str, Path] = field(default_factory=dict)


class Composition:
    """Starts services of the file as local processes, and ends them."""

    def __init__(self, place: Place, log: Path) -> None:
        self._place = place
        self._log = log
        self._services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        log.mkdir(parents=True, exist_ok=True)

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return what the container of `name` would run; `arguments` replace its command."""
        service = self._services[name]
        words = [self._local(word) for word in arguments or service["command"]]
        if not service["image"].startswith("muster-"):
            return [str(self._place.programs[words[0]]), *words[1:]]
        if service.get("entrypoint") == ["muster"]:
            return [str(self._python(service)), "-m", "muster_console", *words]
        file = CHECKOUT / "infra" / f"{service['image'].removeprefix('muster-')}.Dockerfile"
        return [*self._entrypoint(file, self._python(service)), *words]

    def environment(self, name: str, **other: str) -> dict[str, str]:
        """Return the environment of the container of `name`, with `other` values where this machine needs them."""
        given = self._services[name].get("environment", {})
        made = {key: self._local(value) for key, value in given.items()}
        kept = {k: v for k, v in bare_environment().items() if k != "PYTHONPATH"}
        unknown = set(other) - set(made) - _TUNING
        assert not unknown, f"{name} is not told {unknown}"
        return kept | made | other

    def start(self, name: str, *more: str, **other: str) -> None:
        """Start `name` in the background; `more` words follow its command."""
        with (self._log / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*self.command(name), *more],
                env=self.environment(name, **other),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log,
                start_new_session=True,
            )

    def run(self, name: str, *arguments: str, seconds: float = 120) -> str:
        """Run `name` to its end, as ``docker compose run --rm`` does, and return what it printed."""
        done = subprocess.run(
            self.command(name, *arguments),
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd=self._log,
        )
        assert done.returncode == 0, f"{name} {arguments}: {done.stdout} {done.stderr}"
        return done.stdout

    def wait_for_port(self, name: str, port: int, seconds: float = 120) -> None:
        """Wait until `name` listens; fail at once where it has died."""

        def listens() -> bool:
            self.check(name)
            return any(
                c.status == psutil.CONN_LISTEN and c.laddr.port == port
                for c in psutil.Process(self.pid(name)).net_connections()
            )

        eventually(listens, seconds, every=0.1)

    def check(self, name: str) -> None:
        """Fail with the log's end where `name` has ended."""
        if self._processes[name].poll() is not None:
            raise RuntimeError(f"{name} ended: {self.log(name)[-2000:]}")

    def is_healthy(self, name: str) -> bool:
        """Run the health check that the file gives for `name`."""
        kind, program, *words = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        # what runs in a container knows its variables: `docker exec` and health checks get them too
        python = str(self._python(self._services[name]))
        command = [python, "-m", "muster_console"] if program == "muster" else [python]
        command += [self._local(word) for word in words]
        return subprocess.run(command, env=self.environment(name), check=False).returncode == 0

    def pid(self, name: str) -> int:
        """Return the process id of `name`."""
        return self._processes[name].pid

    def log(self, name: str) -> str:
        """Return what `name` has written."""
        return (self._log / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """End `name` by ``kill -9`` and wait for it."""
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        """End everything, last started first, with all below it."""
        for name in reversed(self._processes):
            process = self._processes[name]
            below = _below(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in below:
                if child.is_running():
                    child.kill()
        self._processes.clear()

    def _python(self, service: Mapping[str, Any]) -> Path:
        return self._place.pythons.get(service["image"], Path(sys.executable))

    def _entrypoint(self, file: Path, python: Path) -> list[str]:
        found = re.search(r"^ENTRYPOINT (\[.*\])", file.read_text(), re.MULTILINE)
        assert found
        first, *rest = yaml.safe_load(found[1])
        assert first == "python"
        return [str(python), *(self._copied(word) for word in rest)]

    def _copied(self, word: str) -> str:
        """Return the file of the checkout that an image has under the name `word`."""
        return word.replace("/opt/muster/", f"{CHECKOUT}/infra/") if word.endswith(".py") else word

    def _local(self, value: str) -> str:
        value = _VARIABLE.sub(lambda found: self._place.secrets[found[1]], value)
        for name, address in self._place.addresses.items():
            value = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", address, value)
        for folder, local in self._place.folders.items():
            value = re.sub(rf"(?<![\w/]){re.escape(folder)}(?=/|$)", str(local), value)
        return value


def _below(pid: int) -> Sequence[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
