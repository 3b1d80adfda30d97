"""Those who may speak and no more: other bots, by the owner's rules and not for ever, and people who take back."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from bridge_mcp.core import chat_texts
from bridge_mcp.core.bot_turns import fate, next_turn
from bridge_mcp.core.entries import Heard, Posted
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.operations.addresses import join
from bridge_mcp.operations.conversations import withdraw
from bridge_mcp.ports import ChannelRules, Deleted, Incoming, LogStore, Store

__all__ = ["bot_may_speak", "counted", "notice", "take_back"]

LOOKS = (50, 500, None)
"""How many of the last entries are looked through for who spoke last; None: all. One look nearly always finds it."""


def bot_may_speak(incoming: Incoming, rules: ChannelRules) -> bool:
    """Whether another bot is heard at all: where the owner allows it, and if it means ours. An edit opens no turn."""
    return rules.bot_mode(incoming.chat) == "mentions" and (incoming.addressed or bool(incoming.edit))


async def counted(
    log: LogStore, conversation: str, heard: Heard, most: int
) -> tuple[Heard, Literal["heard", "last", "left out"]]:
    """The entry of another bot's message with its number, and what becomes of it."""
    turn: int | None = None
    for limit in LOOKS:
        turn = next_turn(await log.load(conversation, limit=limit))
        if turn is not None:
            break
    heard = replace(heard, bot_turn=turn or 1)
    return heard, fate(heard.bot_turn, most)


def notice(heard: Heard) -> Posted:
    """What the chat is told, once, where bots have spoken too often in a row."""
    return Posted(chat_texts.bots_wait(heard.bot_turn - 1), BRIDGE, key=f"bots:{heard.key}")


MAX_DELETED = 100
"""Messages of one deletion that are looked for."""


async def take_back(store: Store, deleted: Deleted) -> None:
    """Withdraw what was deleted and nobody has answered. What was said stays in the log."""
    conversation = join(deleted.channel, deleted.chat)
    for number in deleted.messages[:MAX_DELETED]:
        seq = await store.traces.message(conversation, number)
        found = None if seq is None else await store.history.message(conversation, seq)
        if found is not None and found.direction == "in":
            by = f"{deleted.channel}:{found.author.id}"
            await withdraw(store, conversation, found.seq, by, "the message was deleted")
