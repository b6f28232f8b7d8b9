"""Every command of ``muster``, registered in one place."""

from __future__ import annotations

import typer

from muster_console.cli import catalog, demo, export, measure, rule, run, segment, system, up

app = typer.Typer(
    name="muster",
    help="Keep customer segments fresh, and deliver them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.command("up")(up.up)
app.command("down")(up.down)
app.command("status")(up.status)
app.command("demo")(demo.demo)
app.command("runs")(run.list_)

for name, commands in (
    ("catalog", catalog.app),
    ("segment", segment.app),
    ("measure", measure.app),
    ("rules", rule.app),
    ("run", run.app),
    ("export", export.app),
    ("system", system.app),
):
    app.add_typer(commands, name=name)
