"""The pages, one file each; importing this declares all of them."""

from __future__ import annotations

from muster_console.web.page import (
    audit,
    builder,
    catalog,
    connections,
    export,
    export_editor,
    exports,
    measures,
    quick,
    run,
    runs,
    segments,
    services,
    settings,
    token,
)

#: Every module of pages; a new one is named here.
ALL = (
    audit,
    builder,
    catalog,
    connections,
    export,
    export_editor,
    exports,
    measures,
    quick,
    run,
    runs,
    segments,
    services,
    settings,
    token,
)
