"""How commands name one segment or export, and what number a thing can have."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.completion import export_names, segment_names

#: Ids, versions and places in a list are counted in 64 bits; nothing has a larger number.
LARGEST = 2**63 - 1

SegmentName = Annotated[
    str, typer.Argument(help="The segment's name.", metavar="NAME", autocompletion=segment_names)
]
ExportName = Annotated[
    str, typer.Argument(help="The export's name.", metavar="NAME", autocompletion=export_names)
]
