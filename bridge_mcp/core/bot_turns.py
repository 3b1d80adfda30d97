"""The guard against bots that answer each other for ever: how often they may speak to ours before a person has to.

Each message of another bot that is heard has a number (`Heard.bot_turn`), counted from the last message of a person in
its conversation. Nobody is told who writes the posts of a channel: there, exchanges without a pause are counted. Pure;
what is counted stands in the log, so it survives restarts.
"""

from __future__ import annotations

from typing import Literal

from bridge_mcp.core.entries import Heard, Log, Posted, Replied

__all__ = ["QUIET_S", "next_exchange", "next_turn", "treatment"]

PEOPLE = ("person", "client", "owner")
"""Kinds of senders after whom the count begins anew. Who writes in a chat's name may be anybody, also a bot."""


def next_turn(log: Log) -> int | None:
    """The number of the next message of another bot, from 1; None: nothing in this part of the log tells."""
    for logged in reversed(log):
        heard = logged.entry
        if not isinstance(heard, Heard):
            continue
        if heard.bot_turn:
            return heard.bot_turn + 1
        if heard.sender.kind in PEOPLE:
            return 1
    return None


QUIET_S = 300.0
"""Posts of a channel count anew so long after our last message there: two bots that answer each other take seconds."""


def next_exchange(log: Log, now: float) -> int | None:
    """The number of the next post of a channel, from 1, which grows only behind a message of ours; None as above."""
    answered = False
    for logged in reversed(log):
        match logged.entry:
            case Posted() | Replied() as message if message.text and not answered:
                if now - logged.at > QUIET_S:
                    return 1
                answered = True
            case Heard(bot_turn=turn) if turn:
                return turn + answered
            case Heard(sender=sender) if sender.kind in PEOPLE:
                return 1
            case _:
                pass
    return None


def treatment(turn: int, most: int) -> Literal["heard", "last", "left out"]:
    """What becomes of the bot's message with this number, where `most` are answered.

    `last`: it is kept without an answer, and the chat is told that bots are answered no more; after it they are left
    out, so that neither the log nor the chat grows.
    """
    if turn <= most:
        return "heard"
    return "last" if turn == most + 1 else "left out"
