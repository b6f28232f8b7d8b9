"""The project's code on its way to the executors: sent once to each session that needs it.

The executors of a cluster hold third-party packages only. What they run is what runs here, whatever version
other workers of the same cluster have: code belongs to the session it was sent to.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

from muster_core.telemetry import get_logger
from muster_worker.engine.code import CODE_SETTING, fingerprint, write_archive
from muster_worker.engine.session import engine_errors


def ship_code(spark: SparkSession) -> bool:
    """Make the project's code importable in the tasks of `spark`; return whether it had to be sent.

    Call it once for each new session: code belongs to the session, and a restarted engine knows none.

    Raises:
        EngineUnavailable: the engine was lost meanwhile.
    """
    with engine_errors():
        if spark.conf.get(CODE_SETTING, None) == fingerprint():
            return False
        with tempfile.TemporaryDirectory(prefix="muster-code-") as directory:
            archive = Path(directory) / f"muster-{fingerprint()[:16]}.zip"
            write_archive(archive)
            size = archive.stat().st_size
            spark.addArtifact(str(archive), pyfile=True)
    get_logger().info("code sent to the engine", code=fingerprint()[:16], bytes=size)
    return True
