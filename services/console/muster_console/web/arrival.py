"""A page that has just been built, before its browser has it."""

from __future__ import annotations

import asyncio

from nicegui import Client

#: How NiceGUI writes the value of a field over what stands in it.
_OVERWRITES = '"updateValue"'


async def bring_values(client: Client) -> None:
    """Forget to send values that were set while the page was built: it brings them.

    NiceGUI would send them again once the socket is open, over what somebody has typed by then.
    """
    # what was asked for is written down in tasks that stand in line already
    await asyncio.sleep(0)
    waiting = client.outbox.messages
    kept = [message for message in waiting if _OVERWRITES not in message[2].get("code", "")]
    if len(kept) < len(waiting):
        waiting.clear()
        waiting.extend(kept)
