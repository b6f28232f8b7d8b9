"""Who uses segments: other segments, exports, and the feeds of journey tools among them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

_USERS_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUse:
    """What would notice if a segment were gone; every list is in the order of names."""

    #: Segments whose rules refer to it, drafts left out.
    segments: list[str]
    #: Drafts whose rules refer to it; they keep nothing from being deleted.
    drafts: list[str]
    #: Exports that deliver it or never send its members, whether active or not, feeds left out.
    exports: list[str]
    #: Exports of the membership feed that carry it.
    feeds: list[str]
    #: Measures never refer to segments; listed so that every kind of user has its place.
    measures: list[str]

    @property
    def used(self) -> bool:
        """Whether something that is no draft uses it."""
        return bool(self.segments or self.exports or self.feeds or self.measures)

    def text(self) -> str:
        """Return the users in words, such as ``the segments `a` and the exports `b```; empty for none."""
        kinds = (
            ("segments", self.segments),
            ("exports", self.exports),
            ("feeds", self.feeds),
            ("measures", self.measures),
        )
        return " and ".join(f"the {kind} {listed(names)}" for kind, names in kinds if names)


# Segments that are deleted use nothing; those that are inactive do, since they may be activated again.
_USES = text("""
SELECT s.name,
       ARRAY(SELECT u.name FROM segment_reference r JOIN segment u ON u.id = r.segment_id
              WHERE r.referred_id = s.id AND u.deleted_at IS NULL AND u.state <> 'draft'
              ORDER BY u.name) AS segments,
       ARRAY(SELECT u.name FROM segment_reference r JOIN segment u ON u.id = r.segment_id
              WHERE r.referred_id = s.id AND u.deleted_at IS NULL AND u.state = 'draft'
              ORDER BY u.name) AS drafts,
       ARRAY(SELECT e.name FROM export e LEFT JOIN connection c ON c.id = e.connection_id
              WHERE (EXISTS (SELECT 1 FROM export_segment l
                              WHERE l.export_id = e.id AND l.segment_id = s.id)
                     OR jsonb_exists(e.document->'suppress', s.name))
                AND c.kind IS DISTINCT FROM 'feed'
              ORDER BY e.name) AS exports,
       ARRAY(SELECT e.name FROM export e JOIN connection c ON c.id = e.connection_id
              WHERE (EXISTS (SELECT 1 FROM export_segment l
                              WHERE l.export_id = e.id AND l.segment_id = s.id)
                     OR jsonb_exists(e.document->'suppress', s.name))
                AND c.kind = 'feed'
              ORDER BY e.name) AS feeds
  FROM segment s
 WHERE s.deleted_at IS NULL AND (CAST(:names AS text[]) IS NULL OR s.name = ANY(:names))
""")


def segment_uses(
    connection: Connection, names: Collection[str] | None = None
) -> dict[str, SegmentUse]:
    """Return who uses each of the named segments, or every one; unknown names are left out."""
    given = None if names is None else list(names)
    return {
        row.name: SegmentUse(
            segments=row.segments,
            drafts=row.drafts,
            exports=row.exports,
            feeds=row.feeds,
            measures=[],
        )
        for row in connection.execute(_USES, {"names": given})
    }


def listed(users: Sequence[str]) -> str:
    """Return the first names in backticks, and how many more there are."""
    more = f" and {len(users) - _USERS_NAMED} more" if len(users) > _USERS_NAMED else ""
    return ", ".join(f"`{user}`" for user in users[:_USERS_NAMED]) + more
