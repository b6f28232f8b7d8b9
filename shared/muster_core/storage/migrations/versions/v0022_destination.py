"""Know which place a version was delivered to."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this module."""
    # The driver itself, because SQLAlchemy would read the file's colons as parameters.
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
