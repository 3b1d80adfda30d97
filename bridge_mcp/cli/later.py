"""The command `scheduled`: messages to be sent later, and cancelling them."""

from __future__ import annotations

from datetime import datetime

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import OWNER, USUAL, Common, Json, engine_runs, with_bridge
from bridge_mcp.cli.output import console, print_json
from bridge_mcp.cli.texts import NO_ENGINE
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.safe_text import visible

__all__ = ["scheduled"]


def scheduled(*, cancel: str = "", json: Json = False, common: Common = USUAL) -> int:
    """List the messages that are to be sent later, the next one first, or cancel one.

    Parameters
    ----------
    cancel
        The id of a message that is not to be sent.
    """

    async def body(assembly: Assembly) -> int:
        out = console()
        if cancel:
            done = await assembly.bridge.cancel_scheduled(OWNER, cancel)
            out.print(texts.cancelled(visible(cancel)) if done else texts.CANCELLED_TOO_LATE)
            return 0 if done else 1
        found = await assembly.bridge.scheduled_messages(OWNER)
        if json:
            print_json(found)
            return 0
        for each in found:
            at = datetime.fromtimestamp(each.send_at).astimezone().isoformat(timespec="seconds")
            where, by, text = visible(each.conversation), visible(each.by), visible(each.text)
            out.print(texts.scheduled(each.id, at=at, conversation=where, by=by, text=text))
        if not found:
            out.print(texts.NONE_SCHEDULED)
        elif not engine_runs(assembly):
            out.print(NO_ENGINE)
        return 0

    return with_bridge(common, body)
