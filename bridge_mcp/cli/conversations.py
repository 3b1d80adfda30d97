"""The command `conversations`: which chats there are."""

from __future__ import annotations

from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import OWNER, USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import Hanging, ago, console, print_json
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.cli.texts import counted
from bridge_mcp.core.projections import Conversation
from bridge_mcp.core.safe_text import visible

__all__ = ["conversations"]


def conversations(
    *,
    channel: str = "",
    query: str = "",
    limit: int = 50,
    cursor: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """List the conversations, the most recent first.

    Parameters
    ----------
    channel
        Only those of this channel.
    query
        Only those with this in their id or title.
    limit
        How many, at most 200.
    cursor
        Where the page before ended, as it says.
    """

    async def body(assembly: Assembly) -> None:
        page = await assembly.bridge.list_conversations(OWNER, channel=channel, query=query, limit=limit, cursor=cursor)
        if json:
            print_json(page)
            return
        out = console()
        for conversation in page.conversations:
            out.print(line(conversation))
        if not page.conversations:
            out.print(texts.NONE_LIKE_THAT if channel or query or cursor else texts.NO_CONVERSATION)
        if page.cursor:
            out.print(texts.next_conversations(page.cursor))

    return with_bridge(common, body)


def line(conversation: Conversation) -> Hanging:
    """One conversation: its id, its title, and how it goes on."""
    head = Text(f"{visible(conversation.id)}  ", "bold")
    body = Text()
    if conversation.title:
        body.append(f"{visible(conversation.title)}  ", "cyan")
    body.append(f"{counted(conversation.messages, 'message')}, {ago(conversation.last_at)}", "dim")
    if conversation.last_text:
        body.append(f"  {visible(conversation.last_text)}")
    return Hanging(head, body)
