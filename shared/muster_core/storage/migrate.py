"""Brings the control database to the schema this code expects."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from muster_core.errors import PartUnavailable

#: Any constant will do; all that migrate one database must use the same.
_LOCK = 0x6D757374


def migrate(url: str) -> None:
    """Apply every missing migration to the database at `url`.

    Safe to repeat and to start several times at once: an advisory lock of the one transaction lets the
    second wait for the first and then find nothing to do.

    Raises:
        PartUnavailable: the database does not answer.
    """
    # here, since every command that looks at parts imports this module, and Alembic takes a third of its start
    from alembic import command
    from alembic.config import Config

    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config = Config()
            config.set_main_option(
                "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
            )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as exc:
        raise PartUnavailable(
            f"PostgreSQL does not answer ({type(exc.orig).__name__}); its schema was not changed."
        ) from exc
    finally:
        engine.dispose()
