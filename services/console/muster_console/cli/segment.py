"""``muster segment``: its commands, and where each of them is."""

from __future__ import annotations

import typer

from muster_console.cli.group import on_demand

app = typer.Typer(
    help="Who belongs to what.",
    no_args_is_help=True,
    cls=on_demand(
        {
            "apply": "life.apply",
            "list": "listing.list_",
            "show": "listing.show",
            "slowest": "listing.slowest",
            "members": "member.members",
            "download": "member.download",
            "refresh": "refreshing.refresh",
            "cancel": "refreshing.cancel",
            "preview": "insight.preview_",
            "plan": "insight.plan_",
            "explain": "insight.explain_",
            "overlap": "insight.overlap_",
            "apart": "insight.apart_",
            "quick": "quick.quick",
            "history": "history.history_",
            "changes": "history.changes_",
            "create": "life.create",
            "edit": "life.edit",
            "duplicate": "life.duplicate",
            "versions": "life.versions",
            "diff": "life.diff",
            "rollback": "life.rollback",
            "validate": "life.validate",
            "usage": "life.usage",
            "activate": "action.activate",
            "deactivate": "action.deactivate",
            "static": "action.static",
            "dynamic": "action.dynamic",
            "tag": "action.tag",
            "rename": "action.rename",
            "schedule": "action.schedule",
            "delete": "action.delete",
            "restore": "action.restore",
            "cleanup": "action.cleanup",
        }
    ),
)
