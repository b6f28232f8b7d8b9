"""The Celery application whose beat is the scheduler: ``celery -A muster_scheduler.app beat`` works too."""

from __future__ import annotations

from celery import Celery

from muster_core.settings import Settings


def scheduler_app(settings: Settings) -> Celery:
    """Return an application without a broker: beat sends nothing, hints go their own way."""
    scheduler = Celery("muster_scheduler", broker="memory://", set_as_current=False)
    scheduler.conf.update(
        beat_scheduler="muster_scheduler.beat:DueScheduler",
        beat_max_loop_interval=min(settings.sweep_seconds, settings.reaper_seconds),
        beat_sync_every=1,
        enable_utc=True,
        timezone="UTC",
        worker_hijack_root_logger=False,
    )
    return scheduler


app = scheduler_app(Settings())
