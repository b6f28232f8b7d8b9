"""``python -m muster_exporter``: delivers what is published, until SIGTERM."""

from __future__ import annotations

import argparse

from muster_core.errors import EpochOutdated, PartUnavailable
from muster_core.importing import leave_pandas_out
from muster_core.queue.kind import Hint
from muster_core.queue.loop import HintedLoop
from muster_core.settings import Settings
from muster_core.storage.database import open_database
from muster_core.storage.process import process_name
from muster_core.telemetry import configure_logging, get_logger
from muster_exporter.crew import Crew
from muster_exporter.exporter import Exporter


def main() -> None:
    """Run one exporter process in the foreground; any number of them may run."""
    parser = argparse.ArgumentParser(prog="muster_exporter", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="look by itself only, without Redis")
    direct = parser.parse_args().direct
    leave_pandas_out()
    settings = Settings()
    configure_logging(role="exporter", style=settings.log_format)
    name = process_name("exporter")
    # each delivery and its heartbeat may need a connection at the same time
    database = open_database(
        settings.database(),
        application="muster-exporter",
        pool_size=settings.exporter_deliveries + 2,
    )
    loop = HintedLoop(
        Hint.DELIVER,
        lambda: crew.work(),
        redis_url=None if direct else settings.redis(),
        sweep_seconds=settings.sweep_seconds,
    )
    exporter = Exporter(
        database,
        settings,
        name=name,
        stopping=lambda: loop.stopping,
        hints=lambda: loop.hints,
    )
    crew = Crew(exporter.take, most=settings.exporter_deliveries, wake=loop.wake)
    loop.stop_on_signals()
    get_logger().info("exporter.ready", name=name)
    try:
        loop.run()
    except EpochOutdated as exc:
        get_logger().error("exporter cannot run", error=exc.code, message=str(exc))
        raise SystemExit(1) from exc
    finally:
        crew.close(settings.stop_grace_seconds)
    try:
        exporter.sign_off()
    except PartUnavailable:
        # PostgreSQL may have been stopped first; the others forget silent processes by themselves.
        get_logger().warning("exporter.not_signed_off", name=name)
    get_logger().info("exporter.ended", name=name)


if __name__ == "__main__":
    main()
