"""The control database: version, schema, rights, what it does at a commit, and its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from muster_console.checkup.finding import Finding, error, fine, warning
from muster_console.operation.workspace import Workspace
from muster_core.storage import migrations
from muster_core.storage.database import transaction
from muster_core.storage.dictionary import all_tables

PART = "postgresql"

_OLDEST = 14
_SKEW_SECONDS = 2.0

_RIGHTS = ("SELECT", "INSERT", "UPDATE")


def check_database(workspace: Workspace) -> Iterator[Finding]:
    """Look at the database; the first connection raises what is wrong with it."""
    began = time.time()
    with transaction(workspace.database) as connection:
        now = connection.execute(
            text("SELECT extract(epoch FROM clock_timestamp()) AS at")
        ).scalar_one()
        ended = time.time()
        yield from _version(connection)
        yield from _schema(connection)
        yield from _commits(connection)
    skew = float(now) - (began + ended) / 2
    yield from _clock(skew, slack=ended - began, lease=workspace.settings.lease_seconds)


def _version(connection: Connection) -> Iterator[Finding]:
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    if number < _OLDEST:
        yield error(PART, "version", str(number), f"Use PostgreSQL {_OLDEST} or newer.")
    else:
        yield fine(PART, "version", str(number))


def _schema(connection: Connection) -> Iterator[Finding]:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    wanted = ScriptDirectory.from_config(config).get_current_head()
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        yield error(PART, "migrations", "none", "Run `muster system migrate`.")
        return
    present = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if present == wanted:
        yield fine(PART, "migrations", str(present))
        yield from _rights(connection)
    elif str(present) > str(wanted):
        found = f"{present}, this release knows {wanted}"
        yield error(PART, "migrations", found, "Upgrade this installation; the schema is newer.")
    else:
        found = f"{present}, this release needs {wanted}"
        yield error(PART, "migrations", found, "Run `muster system migrate`.")


def _rights(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(
        text("""
SELECT t.name, p.privilege
  FROM unnest(CAST(:tables AS text[])) AS t(name), unnest(CAST(:rights AS text[])) AS p(privilege)
 WHERE NOT has_table_privilege(t.name, p.privilege) ORDER BY 1, 2
"""),
        {"tables": sorted(all_tables().tables), "rights": list(_RIGHTS)},
    ).all()
    if rows:
        lacking = ", ".join(f"{row.privilege} on {row.name}" for row in rows[:5])
        yield error(PART, "rights", f"lacks {lacking}", "Grant them to the user of DATABASE_URL.")
    else:
        yield fine(PART, "rights", "reads and writes every table")


def _commits(connection: Connection) -> Iterator[Finding]:
    for name, why in (
        ("fsync", "what was committed can be lost with the machine"),
        ("full_page_writes", "a crash of the machine can tear pages"),
        ("synchronous_commit", "what was delivered can be forgotten and sent again"),
    ):
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
        if value == "off":
            yield error(PART, name, f"off: {why}", f"Set `{name} = on` in postgresql.conf.")
        else:
            yield fine(PART, name, str(value))


def _clock(skew: float, *, slack: float, lease: float) -> Iterator[Finding]:
    found = f"{skew:+.2f} s against this machine"
    mend = "Let both machines follow NTP. Leases and due times go by the database's clock."
    beyond = abs(skew) - slack
    if beyond > lease / 2:
        yield error(PART, "clock", found, mend)
    elif beyond > _SKEW_SECONDS:
        yield warning(PART, "clock", found, mend)
    else:
        yield fine(PART, "clock", found)
