"""The sending half: does one request at a time, and says what came of it in our own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias, cast

import aiohttp
import anyio.to_thread
from discord.errors import HTTPException, RateLimited

from bridge_mcp.channels.discord.bot.errors import TOKEN, worded
from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.discord.receive.files import fetch
from bridge_mcp.channels.discord.receive.places import NoPlace, Places
from bridge_mcp.channels.discord.send.drafts import Drafts
from bridge_mcp.channels.discord.send.messages import MessageRoutes, edited_message, id_of, multipart, new_message
from bridge_mcp.channels.discord.send.parts import ChangeThread, Drop, MakeThread, React, RefusedAction, Rewrite, Say
from bridge_mcp.channels.discord.send.threads import change, make
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed, SendFailed, SendUncertain
from bridge_mcp.ports import Clock, Part, Upload

__all__ = ["Sender"]

Sendable: TypeAlias = Say | Rewrite | Drop | React | MakeThread | ChangeThread
MAX_FILE = 10 * 1024 * 1024
"""https://docs.discord.com/developers/reference#uploading-files: each file; boosted servers allow more."""
MAX_TOGETHER = 25 * 1024 * 1024 - 65_536
UNREFUSED_S = 60.0
"""Until a message is tried again where the token is refused; only the owner can mend that."""
AGAIN = "It is tried again; mind the network."
GONE = frozenset({10003, 10008})


class Sender:
    """Sends for one bot."""

    def __init__(
        self, requests: Requests, settings: DiscordSettings, places: Places, clock: Clock, patience: Patience
    ) -> None:
        self._requests, self._settings, self._places, self._clock = requests, settings, places, clock
        self._drafts = Drafts(requests, patience, stream=settings.stream)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel.show`."""
        try:
            await self._drafts.show(await self._places.target(chat), draft, text)
        except (NoPlace, *REQUEST_ERRORS):
            return

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel.send`.

        Raises:
            SendFailed: it surely did not go out.
            SendUncertain: it may have gone out.
        """
        where = f"{self._settings.name}/{part.chat}"
        match part.body:
            case RefusedAction(_, reason, fix):
                raise SendFailed(f"It was not sent to '{where}': {reason}.", fix=fix)
            case Say() | Rewrite() | Drop() | React() | MakeThread() | ChangeThread() as body:
                pass
            case _:
                raise TypeError(f"{part.body!r} was not made by this channel")
        files = [await self._file(each) for each in body.uploads] if isinstance(body, Say) else []
        if sum(len(data) for _, data in files) > MAX_TOGETHER:
            raise SendFailed(
                f"The files for '{where}' have more than 25 MiB together, which Discord refuses.",
                fix="Send them in several messages.",
            )
        channel = await self._channel(part.chat, where)
        try:
            return await self._carry_out(body, channel, files)
        except REQUEST_ERRORS as exc:
            if isinstance(exc, HTTPException) and isinstance(body, Drop | React) and exc.code in GONE:
                return ()
            raise self._problem(exc, where, harmless=not isinstance(body, Say | MakeThread)) from None

    async def _carry_out(
        self,
        body: Say | Rewrite | Drop | React | MakeThread | ChangeThread,
        channel: str,
        files: list[tuple[str, bytes]],
    ) -> tuple[str, ...]:
        routes = MessageRoutes(channel)
        match body:
            case Say():
                drafted = self._drafts.stop(channel)
                new_body = new_message(
                    body.text, nonce=body.nonce, buttons=body.buttons, reply_to=body.reply_to, silent=body.silent
                )
                if files:
                    answer = await self._requests.request(
                        routes.create, files=cast("Any", files), form=multipart(new_body, files)
                    )
                else:
                    answer = await self._requests.request(routes.create, json=new_body)
                if drafted:
                    await self._drafts.end(channel)
                return (id_of(answer),)
            case Rewrite():
                await self._requests.request(routes.edit(body.message), json=edited_message(body.text, body.buttons))
                return (body.message,)
            case Drop():
                await self._requests.request(routes.delete(body.message))
                return ()
            case React():
                return await self._react(body, routes)
            case MakeThread():
                return await make(self._requests, channel, body)
            case ChangeThread():
                return await change(self._requests, channel, body)

    async def _react(self, body: React, routes: MessageRoutes) -> tuple[str, ...]:
        """Discord lets a bot have several reactions to a message: the new one takes the place of all others."""
        answer: Any = await self._requests.request(routes.read(body.message))
        mine = [each for each in answer.get("reactions") or () if each.get("me")]
        for each in mine:
            emoji = each["emoji"]
            name = f"{emoji['name']}:{emoji['id']}" if emoji.get("id") else str(emoji["name"])
            if name != body.emoji:
                await self._requests.request(routes.react("DELETE", body.message, name))
        if body.emoji:
            await self._requests.request(routes.react("PUT", body.message, body.emoji))
        return (body.message,)

    async def _channel(self, chat: str, where: str) -> str:
        try:
            return await self._places.target(chat)
        except NoPlace:
            raise SendFailed(
                f"It was not sent to '{where}': there is no such channel or person, or the bot may not see it.",
                fix="Invite the bot there, or name the number that /whoami says.",
            ) from None
        except REQUEST_ERRORS as exc:
            raise self._problem(exc, where, harmless=True) from None

    async def _file(self, upload: Upload) -> tuple[str, bytes]:
        """The name and bytes of a file.

        Raises:
            SendFailed: it cannot be read, or is too large.
        """
        name = upload.name or "file"
        data = upload.data
        if upload.path is not None:
            try:
                data = await anyio.to_thread.run_sync(from_disk, upload.path)
            except OSError as exc:
                raise SendFailed(f"{name} cannot be read: {exc.strerror}.", fix="Attach it again.") from None
        elif upload.ref:
            attachment = Attachment(upload.ref, upload.kind, upload.mime, name=name)
            try:
                data = await fetch(self._requests, self._settings, attachment, MAX_FILE)
            except FetchFailed as exc:
                raise SendFailed(str(exc)) from None
        if data is None or len(data) > MAX_FILE:
            raise SendFailed(
                f"{name} is larger than the 10 MiB that Discord takes.", fix="Send a smaller version of it."
            )
        return name, data

    def _problem(self, exc: BaseException, where: str, *, harmless: bool) -> SendFailed:
        """What a failure means for the message. A harmless request may be repeated whatever became of it."""
        match exc:
            case RateLimited():
                return SendFailed(
                    f"More goes out to '{where}' than Discord takes at once.",
                    fix=f"It is next in {exc.retry_after:.1f} s.",
                    retry_after_s=max(exc.retry_after, 0.05),
                )
            case HTTPException(status=401):
                return SendFailed(f"'{where}': Discord does not know the token.", fix=TOKEN, retry_after_s=UNREFUSED_S)
            case HTTPException() if exc.status < 500:
                problem = worded(exc, self._requests.clean)
                return SendFailed(f"It was not sent to '{where}': {problem}.", fix="Mend that, and send it again.")
            case aiohttp.ClientConnectorError():
                return SendFailed(f"'{where}': Discord cannot be reached.", fix=AGAIN, retry_after_s=0.0)
            case _ if harmless:
                problem = f"'{where}': Discord gave no answer ({type(exc).__name__})."
                return SendFailed(problem, fix=AGAIN, retry_after_s=0.0)
            case _:
                return SendUncertain(
                    f"'{where}': Discord gave no answer that can be used ({type(exc).__name__}); it may have gone out.",
                    fix="Look into the chat.",
                )


def from_disk(path: Path) -> bytes:
    """A file, and one byte more than Discord takes where it is larger."""
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)
