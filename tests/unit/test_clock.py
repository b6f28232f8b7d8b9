"""What is due or old is decided by one clock, PostgreSQL's `clock_timestamp()`, which a test can move."""

from __future__ import annotations

import re
from pathlib import Path

STORAGE = Path(__file__).parents[2] / "shared" / "muster_core" / "storage"
#: Other clocks, in Python and in SQL.
_OTHERS = re.compile(
    r"datetime\.now|utcnow|time\.time\(|utc_now|date\.today|func\.now\b|\bnow\(\)|current_date"
    r"|current_timestamp|localtimestamp|statement_timestamp|transaction_timestamp",
    re.IGNORECASE,
)


def test_nothing_in_the_control_database_reads_another_clock():
    files = [*STORAGE.glob("*.py"), *STORAGE.rglob("*.sql")]
    assert len(files) > 50
    found = [
        f"{file.name}: {line.strip()}"
        for file in files
        for line in file.read_text().splitlines()
        if _OTHERS.search(line)
    ]
    assert found == []
