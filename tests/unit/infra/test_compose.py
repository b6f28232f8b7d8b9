"""The compose file against the Compose specification, by hand: what is checked here needs no Docker."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster_core.settings import Settings
from muster_worker.engine.inspection import PACKAGES

CHECKOUT = Path(__file__).parents[3]
COMPOSE = CHECKOUT / "infra" / "docker-compose.yml"

#: What the Compose specification allows at the top and in a service, as far as this file may use it.
TOP = {"name", "services", "volumes", "networks", "configs", "secrets", "include"}
SERVICE = {
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "depends_on",
    "deploy",
    "dns",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "logging",
    "mem_limit",
    "network_mode",
    "networks",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
}
HEALTHCHECK = {
    "test",
    "interval",
    "timeout",
    "retries",
    "start_period",
    "start_interval",
    "disable",
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?")
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
IMAGE = re.compile(r"[a-z0-9]+([._/-][a-z0-9]+)*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?")
#: Variables the engine's own process reads; Settings knows the others.
ENGINE_VARIABLES = {
    "MUSTER_ENGINE_PORT",
    "MUSTER_ENGINE_TOKEN",
    "MUSTER_ENGINE_DIRECTORY",
    "MUSTER_ENGINE_MEMORY",
    "MUSTER_ENGINE_CORES",
    "MUSTER_ENGINE_SHORT_LIVED",
    "MUSTER_ENGINE_MASTER",
    "MUSTER_ENGINE_SECRET",
    "MUSTER_ENGINE_HOST",
    "MUSTER_ENGINE_PYTHON",
    "MUSTER_ENGINE_EXECUTOR_MEMORY",
}
#: Variables of infra/spark_node.py.
NODE_VARIABLES = {
    "NODE_SECRET",
    "NODE_HOST",
    "NODE_PORT",
    "NODE_DIRECTORY",
    "NODE_MASTER",
    "NODE_CORES",
    "NODE_MEMORY",
}


def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


DOCUMENT = _document()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OWN = {name: s for name, s in SERVICES.items() if str(s.get("image", "")).startswith("muster-")}


def _known_variables() -> set[str]:
    known = ENGINE_VARIABLES | NODE_VARIABLES | {"MUSTER_CONSOLE_HOST", "MUSTER_CONSOLE_PORT"}
    for name in Settings.model_fields:
        known |= {name.upper(), f"MUSTER_{name.upper()}"}
    return known


def _dockerfiles() -> list[Path]:
    return sorted((CHECKOUT / "infra").glob("*.Dockerfile"))


def test_only_keys_of_the_specification_are_used() -> None:
    assert {key for key in DOCUMENT if not key.startswith("x-")} <= TOP
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
        assert set(service) <= SERVICE, name
        assert "image" in service or "build" in service, name


def test_every_part_of_the_issue_is_a_service() -> None:
    assert set(SERVICES) >= {
        "postgres",
        "redis",
        "spark-master",
        "spark-worker-1",
        "spark-worker-2",
        "engine",
        "migrate",
        "scheduler",
        "worker",
        "exporter",
        "console",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_values_have_the_form_the_specification_asks_for(name: str) -> None:
    service = SERVICES[name]
    assert IMAGE.fullmatch(service["image"])
    assert RESTART.fullmatch(service["restart"])
    for key in ("command", "entrypoint"):
        assert all(isinstance(word, str) for word in service.get(key, []))
    for key, value in service.get("environment", {}).items():
        assert isinstance(value, str), f"{key} must be quoted"
    check = service.get("healthcheck", {})
    assert set(check) <= HEALTHCHECK
    if check:
        assert check["test"][0] in ("CMD", "CMD-SHELL", "NONE")
        assert all(DURATION.fullmatch(check[key]) for key in ("interval", "timeout"))


def test_what_a_service_waits_for_exists_and_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for target, wait in service.get("depends_on", {}).items():
            assert target in SERVICES, f"{name} waits for {target}"
            assert wait["condition"] in CONDITIONS
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[target], f"{target} has no health check"
        mode = service.get("network_mode", "")
        if mode.startswith("service:"):
            assert mode.removeprefix("service:") in SERVICES
            assert "networks" not in service


def test_postgres_is_healthy_only_once_it_answers_over_tcp() -> None:
    words = shlex.split(SERVICES["postgres"]["healthcheck"]["test"][1])
    assert words[words.index("--host") + 1] == "127.0.0.1"


def test_named_volumes_are_declared_and_used() -> None:
    used = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            assert mode in ([], ["ro"])
            if not source.startswith((".", "/")):
                used.add(source)
    assert used == set(DOCUMENT["volumes"])


def test_services_are_only_told_what_the_settings_know() -> None:
    for name, service in OWN.items():
        unknown = set(service.get("environment", {})) - _known_variables()
        assert not unknown, f"{name}: {unknown}"


def test_no_secret_is_written_down() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|DATABASE_URL|^ENGINE$", key):
                assert "${" in value, f"{key} must come from the environment"


def test_commands_name_modules_that_exist() -> None:
    for name, service in OWN.items():
        if service.get("entrypoint") == ["muster"]:
            continue
        if service["image"] == "muster-executor":
            assert service["command"] in (["master"], ["worker"])
            continue
        (module,) = service["command"]
        found = find_spec(module)
        assert found is not None, name
        if found.submodule_search_locations is not None:
            assert find_spec(f"{module}.__main__") is not None, name


@pytest.mark.parametrize("name", OWN)
def test_an_own_image_is_built_somewhere_from_files_that_exist(name: str) -> None:
    image = OWN[name]["image"]
    builds = [s["build"] for s in OWN.values() if s["image"] == image and "build" in s]
    assert builds
    for build in builds:
        context = (COMPOSE.parent / build["context"]).resolve()
        assert context == CHECKOUT.resolve()
        assert (context / build["dockerfile"]).is_file()


@pytest.mark.parametrize("file", _dockerfiles(), ids=lambda f: f.name)
def test_a_dockerfile_copies_what_exists_and_does_not_run_as_root(file: Path) -> None:
    lines = file.read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert [rest for step, rest in steps if step == "FROM"] == [
        "python:3.11-slim AS build",
        "python:3.11-slim",
    ]
    for step, rest in steps:
        if step == "COPY":
            *sources, _ = shlex.split(rest)
            if sources[0] == "--from=build":
                continue
            assert all((CHECKOUT / source).exists() for source in sources), rest
    users = [rest for step, rest in steps if step == "USER"]
    assert users
    assert users[-1] != "root"


def test_every_service_that_stays_has_a_health_check() -> None:
    images = {p.name.removesuffix(".Dockerfile"): p.read_text() for p in _dockerfiles()}
    for name, service in SERVICES.items():
        if service["restart"] != "no":
            image = images.get(service["image"].removeprefix("muster-"), "")
            assert "healthcheck" in service or "HEALTHCHECK" in image, name


def test_redis_keeps_nothing_and_forgets_nothing() -> None:
    words = SERVICES["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--save"] == ""


def test_whoever_runs_tasks_sees_lake_and_sources_where_the_worker_does() -> None:
    volumes = SERVICES["worker"]["volumes"]
    for name in ("spark-worker-1", "spark-worker-2"):
        assert SERVICES[name]["volumes"] == volumes


def test_executors_fit_the_workers_they_run_on() -> None:
    wanted = SERVICES["engine"]["environment"]["MUSTER_ENGINE_EXECUTOR_MEMORY"]
    for name in ("spark-worker-1", "spark-worker-2"):
        assert int(wanted.rstrip("g")) <= int(SERVICES[name]["environment"]["NODE_MEMORY"][:-1])


def test_the_executor_image_has_what_the_probe_asks_for_and_nothing_of_muster() -> None:
    lines = (CHECKOUT / "infra" / "executor-requirements.txt").read_text().splitlines()
    names = {line for line in lines if not line.startswith("#")}
    assert set(PACKAGES) <= names
    copied = re.findall(
        r"^COPY (?!--from)(.*)",
        (CHECKOUT / "infra" / "executor.Dockerfile").read_text(),
        re.MULTILINE,
    )
    assert not any(word in line for line in copied for word in ("shared", "services"))


def test_the_engine_names_the_python_of_the_executor_image() -> None:
    python = SERVICES["engine"]["environment"]["MUSTER_ENGINE_PYTHON"]
    image = (CHECKOUT / "infra" / "executor.Dockerfile").read_text()
    assert f"python -m venv {python.removesuffix('/bin/python')}" in image
