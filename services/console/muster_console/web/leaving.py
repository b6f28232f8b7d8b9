"""Leaving a form whose changes are nowhere but in it: the browser is told, and asks first."""

from __future__ import annotations

import json

from nicegui import ui


class Unsaved:
    """Whether the page at hand holds changes that leaving it would lose."""

    def __init__(self) -> None:
        self._client = ui.context.client
        self._told = False

    def tell(self, changed: bool) -> None:
        """Let the browser ask before the page is left, or not any more."""
        if changed == self._told:
            return
        self._told = changed
        # also called outside of what the page does
        self._client.run_javascript(f"window.muster.unsaved = {json.dumps(changed)}")
