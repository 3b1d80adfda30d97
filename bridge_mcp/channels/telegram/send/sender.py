"""The sending half of the channel: cuts actions into parts, and sends each part within Telegram's rate limits.

Errors are raised as `SendFailed` or `SendUncertain`, in our own words. Knows nothing of the store or of turns.
"""

from __future__ import annotations

from typing import TypeAlias

from telegram import Bot
from telegram.error import RetryAfter, TelegramError

from bridge_mcp.channels.telegram.bot.responses import fitting, retry_after_s
from bridge_mcp.channels.telegram.send.drafts import Drafts
from bridge_mcp.channels.telegram.send.edits import REACTIONS, Changes
from bridge_mcp.channels.telegram.send.errors import failure, says
from bridge_mcp.channels.telegram.send.messages import Messages, PartlySent
from bridge_mcp.channels.telegram.send.rate_limit import Pacer
from bridge_mcp.channels.telegram.send.requests import (
    Album,
    ChangeTopic,
    CloseTopic,
    Destination,
    Drop,
    File,
    MakeTopic,
    React,
    RefusedAction,
    Rewrite,
    Text,
    address,
    cut,
)
from bridge_mcp.channels.telegram.send.topics import NotSent, Topics
from bridge_mcp.channels.telegram.text.render import Renderer
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.ports import Clock, OutgoingAction, Part

__all__ = ["Sender"]

Sendable: TypeAlias = Text | File | Album | Rewrite | Drop | React | MakeTopic | ChangeTopic | CloseTopic
HARMLESS = (Rewrite, Drop, React, ChangeTopic, CloseTopic)
"""These are idempotent."""


class Sender:
    """Sends for one bot.

    Args:
        bot: initialised by the caller.
        clock: tells the time, for the rate limit.
        name: of the channel, for people.
        pacer: the rate limiter; by default with Telegram's limits.
    """

    def __init__(self, bot: Bot, clock: Clock, name: str, *, pacer: Pacer | None = None) -> None:
        self._bot, self._clock, self._name = bot, clock, name
        self._pacer = pacer or Pacer(clock)
        self._renderer = Renderer()
        self._messages = Messages(bot, name)
        self._changes = Changes(bot, name, self._messages)
        self._topics = Topics(bot)
        self._drafts = Drafts(bot, clock, self._renderer, self._pacer, name)
        self.last_ok = 0.0
        """When Telegram last accepted a request, in epoch seconds."""

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel.parts`."""
        return cut(action, self._renderer)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel.show`."""
        try:
            place = address(chat)
        except ValueError:
            return
        await self._drafts.show(place, draft, text)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel.send`.

        Raises:
            SendFailed: it surely did not go out.
            SendUncertain: it may have gone out.
        """
        where = f"{self._name}/{part.chat}"
        match part.body:
            case Text() | File() | Album() | Rewrite() | Drop() | React() as body:
                pass
            case MakeTopic() | ChangeTopic() | CloseTopic() as body:
                pass
            case RefusedAction(reason, fix):
                raise SendFailed(f"It was not sent to '{where}': {reason}.", fix=fix)
            case _:
                raise TypeError(f"{part.body!r} was not made by this channel")
        await self._turn(body.place, where, len(body.uploads) if isinstance(body, Album) else 1)
        try:
            sent = await fitting(self._carry_out(body))
        except TelegramError as exc:
            problem = self._problem(exc, body, where, harmless=isinstance(body, HARMLESS))
        except NotSent as exc:
            problem = self._problem(exc.error, body, where, harmless=True)
        except PartlySent as exc:
            problem = self._problem(exc.error, body, where, harmless=False)
            if exc.begun:
                problem = SendUncertain(f"Only a part went out. {problem}", fix="Look into the chat.")
        else:
            self.last_ok = self._clock.now()
            return tuple(sent)
        # Raised outside of the handlers, so that the library's exception, which quotes URLs with the token, is not
        # chained.
        raise problem

    async def _turn(self, place: Destination, where: str, count: int) -> None:
        wait = await self._pacer.turn(place.chat, count)
        if wait > 0:
            raise SendFailed(
                f"More goes out to '{where}' than Telegram takes at once; it is next in {wait:.1f} s.",
                retry_after_s=wait,
            )

    async def _carry_out(self, body: Sendable) -> list[str]:
        if isinstance(body, Text | File | Album):
            self._drafts.end(body.place)
        match body:
            case Text():
                return await self._messages.text(body)
            case File():
                return await self._messages.file(body)
            case Album():
                return await self._messages.album(body)
            case Rewrite():
                return await self._changes.rewrite(body)
            case Drop():
                return await self._changes.drop(body)
            case React():
                return await self._changes.react(body)
            case MakeTopic():
                return await self._topics.make(body)
            case ChangeTopic():
                return await self._topics.change(body)
            case CloseTopic():
                return await self._topics.close(body)

    def _problem(self, exc: TelegramError, body: Sendable, where: str, *, harmless: bool) -> SendFailed:
        if isinstance(exc, RetryAfter):
            self._pacer.shut(body.place.chat, retry_after_s(exc))
        if isinstance(body, React) and says(exc, "reaction_invalid"):
            return SendFailed(
                f"'{body.emoji}' is not a reaction that '{where}' allows.",
                fix=f"Telegram's are {' '.join(REACTIONS.values())}; a chat may allow fewer.",
            )
        return failure(exc, where, self._bot.token, harmless=harmless)
