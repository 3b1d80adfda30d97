"""Those who may speak and no more: other bots, by the owner's rules and not for ever, and people who take back."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.bot_turns import QUIET_S, next_exchange, next_turn, treatment
from bridge_mcp.core.entries import Heard, Posted
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.operations.addresses import join
from bridge_mcp.operations.conversations import withdraw
from bridge_mcp.ports import ChannelRules, Deleted, Incoming, Store

__all__ = ["bot_may_speak", "count_bot_message", "count_post", "notice", "take_back"]

NEIGHBOURS = 10
"""How many threads of a chat, the latest active first, are looked through for it."""
LOOKS = (50, 500, None)
"""How many of the last entries are looked through for who spoke last; None: all. One look nearly always finds it."""


def bot_may_speak(incoming: Incoming, rules: ChannelRules) -> bool:
    """Whether another bot is heard at all: where the owner allows it, and if it means ours. An edit opens no turn."""
    return rules.bot_mode(incoming.chat) == "mentions" and (incoming.addressed or bool(incoming.edit))


async def count_bot_message(
    store: Store, conversation: str, heard: Heard, most: int
) -> tuple[Heard, Literal["heard", "last", "left out"]]:
    """The entry of another bot's message with its number, and what becomes of it.

    In a thread where nobody has written yet, the count of its chat goes on: else a bot that opens a new thread for each
    message would be answered for ever.
    """
    turn: int | None = None
    for limit in LOOKS:
        turn = next_turn(await store.log.load(conversation, last=limit))
        if turn is not None:
            break
    heard = replace(heard, bot_turn=turn or await turn_in_chat(store, conversation) or 1)
    return heard, treatment(heard.bot_turn, most)


async def count_post(
    store: Store, conversation: str, heard: Heard, most: int, now: float
) -> tuple[Heard, tuple[Posted, ...]]:
    """The entry of a post that is to be answered, with its number; beyond `most` in a row it is only kept.

    With it what the channel is told, once.
    """
    turn: int | None = None
    for limit in LOOKS[:-1]:
        turn = turn or next_exchange(await store.log.load(conversation, last=limit), now)
    heard = replace(heard, bot_turn=turn or 1)
    verdict = treatment(heard.bot_turn, most)
    if verdict == "heard":
        return heard, ()
    notice = Posted(chat_texts.posts_wait(most, QUIET_S), BRIDGE, key=f"bots:{heard.key}")
    return replace(heard, to="off"), (notice,) if verdict == "last" else ()


async def turn_in_chat(store: Store, conversation: str) -> int | None:
    """The next number by what was heard last in the chat and its other threads; None where nothing tells."""
    channel, chat, _ = Address.of(conversation)
    active, _ = await store.history.conversations(within=frozenset({f"{channel}/{chat}"}), limit=NEIGHBOURS)
    last, turn = -1.0, None
    for thread in active:
        log = await store.log.load(thread.id, last=LOOKS[0])
        for size in range(len(log), 0, -1):
            number = next_turn(log[size - 1 : size])
            if number is None:
                continue
            if log[size - 1].at > last:
                last, turn = log[size - 1].at, number
            break
    return turn


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
        message = None if seq is None else await store.history.message(conversation, seq)
        if message is not None and message.direction == "in":
            by = f"{deleted.channel}:{message.author.id}"
            await withdraw(store, conversation, message.seq, by, "the message was deleted")
