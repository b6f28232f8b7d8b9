"""The pages, one file each; importing this declares all of them."""

from __future__ import annotations

from muster_console.web.page import (
    audit,
    builder,
    catalog,
    connection,
    connections,
    export,
    export_editor,
    exports,
    measures,
    quick,
    run,
    runs,
    segment,
    segment_exports,
    segment_members,
    segment_rules,
    segment_why,
    segments,
    service,
    services,
    settings,
    token,
)

#: Every module of pages; a new one is named here.
ALL = (
    audit,
    builder,
    catalog,
    connection,
    connections,
    export,
    export_editor,
    exports,
    measures,
    quick,
    run,
    runs,
    segment,
    segment_exports,
    segment_members,
    segment_rules,
    segment_why,
    segments,
    service,
    services,
    settings,
    token,
)
