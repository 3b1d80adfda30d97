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
        for each in page.conversations:
            out.print(line(each))
        if not page.conversations:
            out.print(texts.NONE_LIKE_THAT if channel or query or cursor else texts.NO_CONVERSATION)
        if page.cursor:
            out.print(texts.next_conversations(page.cursor))

    return with_bridge(common, body)


def line(found: Conversation) -> Hanging:
    """One conversation: its id, its title, and how it goes on."""
    head = Text(f"{visible(found.id)}  ", "bold")
    body = Text()
    if found.title:
        body.append(f"{visible(found.title)}  ", "cyan")
    body.append(f"{counted(found.messages, 'message')}, {ago(found.last_at)}", "dim")
    if found.last_text:
        body.append(f"  {visible(found.last_text)}")
    return Hanging(head, body)
