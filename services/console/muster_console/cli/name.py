"""How commands name one segment or export."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.completion import export_names, segment_names

SegmentName = Annotated[
    str, typer.Argument(help="The segment's name.", metavar="NAME", autocompletion=segment_names)
]
ExportName = Annotated[
    str, typer.Argument(help="The export's name.", metavar="NAME", autocompletion=export_names)
]
