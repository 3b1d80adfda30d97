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
            cancelled = await assembly.bridge.cancel_scheduled(OWNER, cancel)
            out.print(texts.cancelled(visible(cancel)) if cancelled else texts.CANCELLED_TOO_LATE)
            return 0 if cancelled else 1
        messages = await assembly.bridge.scheduled_messages(OWNER)
        if json:
            print_json(messages)
            return 0
        for message in messages:
            at = datetime.fromtimestamp(message.send_at).astimezone().isoformat(timespec="seconds")
            where, by, text = visible(message.conversation), visible(message.by), visible(message.text)
            out.print(texts.scheduled(message.id, at=at, conversation=where, by=by, text=text))
        if not messages:
            out.print(texts.NONE_SCHEDULED)
        elif not engine_runs(assembly):
            out.print(NO_ENGINE)
        return 0

    return with_bridge(common, body)
