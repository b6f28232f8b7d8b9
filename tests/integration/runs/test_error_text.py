"""What an error of the control database says."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

pytestmark = pytest.mark.integration


def test_no_error_of_the_control_database_quotes_what_was_written(database: sa.Engine):
    with database.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text("SELECT 1 / (length(:value) - 6)"), {"value": "canary"})
    assert "division by zero" in str(caught.value)
    assert "canary" not in str(caught.value)
