"""Real exporter processes over a test's world."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.integration.exporter.world import World

from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import list_deliveries


def start(
    world: World, *, redis_url: str | None = None, sweep_seconds: float = 0.2
) -> subprocess.Popen[bytes]:
    """Start an exporter with short leases; without Redis it looks by itself."""
    environment = {
        **os.environ,
        **({"REDIS_URL": redis_url} if redis_url else {}),
        "DATABASE_URL": world.settings.database(),
        "LAKE_URL": world.lake.url,
        "MUSTER_HOME": str(world.settings.home),
        "MUSTER_LEASE_SECONDS": "4",
        "MUSTER_HEARTBEAT_SECONDS": "0.5",
        "MUSTER_TRUST_MARGIN_SECONDS": "1",
        "MUSTER_SWEEP_SECONDS": str(sweep_seconds),
        "MUSTER_BACKOFF_SECONDS": "0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "muster_exporter", *([] if redis_url else ["--direct"])],
        env=environment,
        stderr=subprocess.DEVNULL,
    )


def states(world: World) -> list[str]:
    """Return the state of every delivery, the newest first."""
    with transaction(world.database) as connection:
        return [d.state for d in list_deliveries(connection, limit=1000)]
