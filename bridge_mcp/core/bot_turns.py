"""The guard against bots that answer each other for ever: how often they may speak to ours before a person has to.

Each message of another bot that is heard has a number (`Heard.bot_turn`), counted from the last message of a person in
its conversation. Pure; what is counted stands in the log, so it survives restarts.
"""

from __future__ import annotations

from typing import Literal

from bridge_mcp.core.entries import Heard, Log

__all__ = ["fate", "next_turn"]

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


def fate(turn: int, most: int) -> Literal["heard", "last", "left out"]:
    """What becomes of the bot's message with this number, where `most` are answered.

    `last`: it is kept without an answer, and the chat is told that bots are answered no more; after it they are left
    out, so that neither the log nor the chat grows.
    """
    if turn <= most:
        return "heard"
    return "last" if turn == most + 1 else "left out"
