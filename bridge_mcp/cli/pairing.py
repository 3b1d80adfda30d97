"""Commands that let chats and people in: pair add, list, remove."""

from __future__ import annotations

from typing import Literal

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import ago, console, grid, heading, print_json
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.core.safe_text import visible
from bridge_mcp.service import OWNER

__all__ = ["add", "list_", "remove"]


def add(
    code_or_channel: str,
    chat: str = "",
    /,
    *,
    role: Literal["user", "approver"] = "user",
    name: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Let a chat or a person in.

    Parameters
    ----------
    code_or_channel
        The code a stranger was shown; or a channel, followed by the platform's id of the chat or person.
    chat
        The platform's id of the chat or person.
    role
        An approver may also decide calls.
    name
        For lists; any word.
    """

    async def body(assembly: Assembly) -> None:
        code, channel = ("", code_or_channel) if chat else (code_or_channel, "")
        pairing = await assembly.bridge.pair_chat(OWNER, code=code, channel=channel, chat=chat, role=role, name=name)
        if json:
            print_json(pairing)
        else:
            who = visible(pairing.name) or pairing.subject
            console().print(texts.paired(who, channel=pairing.channel, role=pairing.role))

    return with_bridge(common, body)


def list_(channel: str = "", /, *, json: Json = False, common: Common = USUAL) -> int:
    """List who was let in, and who asks to be.

    Parameters
    ----------
    channel
        Only those of this channel.
    """

    async def body(assembly: Assembly) -> None:
        pairings, requests = await assembly.bridge.list_pairings(OWNER, channel=channel)
        if json:
            print_json({"pairings": pairings, "requests": requests})
            return
        out = console()
        if pairings:
            out.print(heading(texts.LET_IN))
            out.print(grid([p.channel, p.subject, p.role, visible(p.name), ago(p.at)] for p in pairings))
        if requests:
            out.print(heading(texts.ASKING))
            out.print(grid([r.code, r.channel, r.subject, visible(r.name), ago(r.at)] for r in requests))
        if not pairings and not requests:
            out.print(texts.NOBODY)

    return with_bridge(common, body)


def remove(channel: str, chat: str, /, *, common: Common = USUAL) -> int:
    """Shut a chat or a person out.

    Parameters
    ----------
    channel
        The channel they were let in on.
    chat
        The platform's id, as `pair list` shows it.
    """

    async def body(assembly: Assembly) -> None:
        await assembly.bridge.unpair_chat(OWNER, channel=channel, chat=chat)
        console().print(texts.unpaired(visible(chat), visible(channel)))

    return with_bridge(common, body)
