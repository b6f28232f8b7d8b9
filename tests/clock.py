"""A clock that a test moves on: PostgreSQL's, from which everything that is due or old is decided."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Engine

from muster_core.storage.database import database_time, transaction

# Named before pg_catalog in the search path, this is what `clock_timestamp()` means to every statement.
_SHIFT = """
CREATE TABLE clock_shift (by interval NOT NULL);
INSERT INTO clock_shift VALUES (interval '0');
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM public.clock_shift)';
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT table_name, column_name FROM information_schema.columns
              WHERE table_schema = 'public' AND column_default LIKE '%%clock_timestamp()%%'
    LOOP
        EXECUTE format('ALTER TABLE %%I ALTER COLUMN %%I SET DEFAULT public.clock_timestamp()',
                       c.table_name, c.column_name);
    END LOOP;
    EXECUTE format('ALTER DATABASE %%I SET search_path = public, pg_catalog', current_database());
END $$;
"""


class Clock:
    """The clock of one database; whoever connects from now on reads it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with transaction(engine) as connection:
            connection.exec_driver_sql(_SHIFT)
        # those who are connected already have another search path
        engine.dispose()

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        with transaction(self._engine) as connection:
            connection.execute(sa.text("UPDATE clock_shift SET by = by + :by"), {"by": by})

    def now(self) -> datetime:
        """Return what it shows."""
        with transaction(self._engine) as connection:
            return database_time(connection)
