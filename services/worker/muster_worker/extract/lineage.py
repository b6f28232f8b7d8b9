"""What earlier readings of a source must share with this one to say anything about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from muster_core.extract.description import Description
from muster_core.extract.session import Session
from muster_core.extract.type import SourceColumn
from muster_worker.extract.moment import Moment

#: Rows stay as they are stored while their meaning changes: a column is dropped and another of its name added
#: with a default, a label of an enum is renamed, a generated column gets another expression.
_SHAPE = """
SELECT a.attnum, a.attname::text, a.atttypid::bigint, a.atttypmod,
       CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid IN (a.atttypid, t.typelem, t.typbasetype))
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


def lineage_of(
    session: Session, moment: Moment, description: Description, columns: Sequence[SourceColumn]
) -> str:
    """Return a text that is equal for two readings if rows and transactions mean the same in both."""
    relation = description.relation
    shape = session.rows(_SHAPE, [relation.oid]) if relation is not None else []
    content = {
        "server": moment.server,
        "shape": [list(row) for row in shape],
        "key": description.key,
        "columns": [[c.name, c.expression, str(c.arrow), c.lenient] for c in columns],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
