"""The sending half: each part as one request, and what may have gone out is looked for before it is sent again.

Slack has no key for repeats. Each message carries one of ours as metadata, and the chat's history tells whether it is
there: https://docs.slack.dev/messaging/message-metadata. Knows nothing of the store or of turns.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from cachetools import LRUCache
from msgspec import Struct

from bridge_mcp.channels.slack.places import Places
from bridge_mcp.channels.slack.send.drafts import Drafts
from bridge_mcp.channels.slack.send.errors import failure
from bridge_mcp.channels.slack.send.requests import Body, Post, React, RefusedAction, Share, Update, cut
from bridge_mcp.channels.slack.send.uploads import Uploads, content
from bridge_mcp.channels.slack.text.rich_text import Renderer
from bridge_mcp.channels.slack.values import inner, listed
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import OutgoingAction, Part, Upload

__all__ = ["EVENT_TYPE", "Sender"]

logger = logging.getLogger(__name__)

EVENT_TYPE = "bridge_message"
"""Of the metadata."""
LOOKED_BACK = 100
"""Messages of a chat in which one of ours is looked for."""
REMEMBERED = 2048
CLOCKS_S = 5.0
"""How far our clock and Slack's may be apart."""
DONE = ("already_reacted", "no_reaction")
"""Answers of Slack's that say that it is as wanted."""


class Shared(Struct, frozen=True):
    """Files that somebody shared by one message."""

    user: str
    files: tuple[tuple[str, int], ...]
    """Names and sizes in bytes."""


class Sender:
    """Sends for one app."""

    def __init__(self, web: SlackWeb, places: Places) -> None:
        self._web, self._places = web, places
        self._name = web.settings.name
        self._renderer = Renderer()
        self._uploads = Uploads(web)
        self.drafts = Drafts(web, places, self._renderer)
        self._found: LRUCache[str, str] = LRUCache(REMEMBERED)
        """By key of a part: the message that is there already."""
        self._own = ""
        """Our own user, once it was asked for."""
        self._looked: set[str] = set()
        """Chats in which there can be no message of ours that is not known here."""
        self._shared: LRUCache[str, dict[str, Shared]] = LRUCache(REMEMBERED)
        """By chat, as it was when it was looked into: messages with files, by their `ts`."""
        self._sent: LRUCache[str, None] = LRUCache(REMEMBERED)
        """By `ts`: messages with files that are known to be of a part."""
        self._unsure: set[str] = set()
        """Keys of parts whose request gave no answer."""

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel.parts`."""
        return cut(action, self._renderer)

    def begin(self) -> None:
        """An engine begins: another one may have sent to any chat meanwhile."""
        self._looked.clear()

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel.send`.

        Raises:
            SendFailed: it surely did not go out.
            SendUncertain: it may have gone out.
        """
        where, body = f"{self._name}/{part.chat}", part.body
        match body:
            case Post() | Share() | Update() | React():
                pass
            case RefusedAction(reason, fix):
                raise SendFailed(f"It was not sent to '{where}': {reason}.", fix=fix)
            case _:
                raise TypeError(f"{part.body!r} was not made by this channel")
        try:
            return await self._carry_out(part.chat, body)
        except SlackFault as fault:
            if fault.error in DONE and isinstance(body, React):
                return (body.message,)
            harmless = isinstance(body, Update | React)
            if fault.begun and isinstance(body, Post) and body.key:
                return await self._settled(part.chat, body, fault)
            raise failure(fault, where, harmless=harmless) from fault

    async def _carry_out(self, chat: str, body: Body) -> tuple[str, ...]:
        channel, thread = await self._places.resolve(chat)
        client = self._web.client
        match body:
            case Post():
                if existing := await self._sent_before(chat, channel, thread, body.key):
                    return (existing,)
                ts = await self._post(chat, channel, thread, body)
                if body.key:
                    self._found[body.key] = ts
                return (ts,)
            case Share():
                if existing := await self._shared_before(chat, channel, thread, body):
                    return (existing,)
                sent = await self._uploads.share(channel, thread, body)
                self._sent.update(dict.fromkeys(sent))
                return sent
            case Update(message, blocks, text):
                update: dict[str, Any] = {"channel": channel, "ts": message, "text": text, "blocks": list(blocks)}
                await self._web.call(client.chat_update, **update)
                return (message,)
            case React(message, emoji):
                if emoji:
                    await self._web.call(client.reactions_add, channel=channel, timestamp=message, name=emoji)
                else:
                    await self._unreact(channel, message)
                return (message,)
            case RefusedAction():
                return ()

    async def _post(self, chat: str, channel: str, thread: str, body: Post) -> str:
        """Post a message, or make the one that was shown growing into it."""
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": body.key}}
        message = {"channel": channel, "text": body.text, "blocks": list(body.blocks), "metadata": metadata}
        if draft_ts := await self.drafts.end(chat):
            await self._web.call(self._web.client.chat_update, ts=draft_ts, **message)
            return draft_ts
        quiet = {"unfurl_links": False, "unfurl_media": False, "link_names": False}
        post = self._web.client.chat_postMessage
        answer = await self._web.call(post, thread_ts=thread or None, **message, **quiet)
        return str(answer["ts"])

    async def _unreact(self, channel: str, message: str) -> None:
        """Take away every reaction of ours below a message."""
        client = self._web.client
        me = await self._me()
        answer = await self._web.call(client.reactions_get, channel=channel, timestamp=message)
        for each in listed(inner(answer, "message"), "reactions"):
            if me in each.get("users", ()):
                await self._web.call(client.reactions_remove, channel=channel, timestamp=message, name=each["name"])

    # -- what may be there already -----------------------------------------------------------------------------

    async def _sent_before(self, chat: str, channel: str, thread: str, key: str) -> str:
        """The message that a part made before; "" for none. Looks into a chat once, as long as nothing is unsure."""
        if not key:
            return ""
        if chat not in self._looked:
            if await self._look(chat, channel, thread):
                self._unsure.discard(key)
            elif key in self._unsure:
                raise SlackFault("", "Slack lets the app not read the chat", begun=True)
            self._looked.add(chat)
        return self._found.get(key, "")

    async def _shared_before(self, chat: str, channel: str, thread: str, body: Share) -> str:
        """The message by which these files were shared before a crash; "" for none.

        Files carry no metadata, so they are known by what was uploaded: ours, of these names and sizes, since the
        message was written. Only what was there when the chat was first looked into can be meant.
        """
        if not body.key or not body.at:
            return ""
        await self._sent_before(chat, channel, thread, body.key)
        names = sorted(each.name or "file" for each in body.uploads)
        since = body.at - CLOCKS_S
        for ts, shared in sorted(self._shared.get(chat, {}).items(), key=lambda each: float(each[0])):
            if ts in self._sent or float(ts) < since or sorted(name for name, _ in shared.files) != names:
                continue
            if shared.user == await self._me() and sorted(shared.files) == await uploaded(body.uploads):
                self._sent[ts] = None
                return ts
        return ""

    async def _me(self) -> str:
        if not self._own:
            self._own = str((await self._web.call(self._web.client.auth_test))["user_id"])
        return self._own

    async def _look(self, chat: str, channel: str, thread: str) -> bool:
        """Read the end of a chat; whether that is allowed."""
        client = self._web.client
        query: dict[str, Any] = {"channel": channel, "limit": LOOKED_BACK, "include_all_metadata": True}
        try:
            if thread:
                answer = await self._web.call(client.conversations_replies, ts=thread, **query)
            else:
                answer = await self._web.call(client.conversations_history, **query)
        except SlackFault as fault:
            if fault.error == "thread_not_found":
                return True
            if fault.error and fault.retry_after_s is None and not fault.begun:
                return False
            raise
        for message in listed(answer, "messages"):
            metadata = inner(message, "metadata")
            if metadata.get("event_type") == EVENT_TYPE:
                self._found[str(inner(metadata, "event_payload").get("key", ""))] = str(message["ts"])
        if chat not in self._looked:
            shares = {str(each["ts"]): shared_by(each) for each in listed(answer, "messages")}
            self._shared[chat] = {ts: shared for ts, shared in shares.items() if shared.files}
        return True

    async def _settled(self, chat: str, body: Post, fault: SlackFault) -> tuple[str, ...]:
        """The message of a request that gave no answer, where the chat has it.

        Raises:
            SendFailed: it is not there, and may be sent again.
            SendUncertain: the chat cannot be read now.
        """
        where = f"{self._name}/{chat}"
        self._looked.discard(chat)
        self._unsure.add(body.key)
        await anyio.sleep(self._web.patience.settle)
        try:
            channel, thread = await self._places.resolve(chat)
            existing = await self._sent_before(chat, channel, thread, body.key)
        except SlackFault:
            self._looked.discard(chat)
            raise failure(fault, where, harmless=False) from fault
        if existing:
            return (existing,)
        self._looked.discard(chat)  # it may still come: the next try looks again
        raise SendFailed(f"{fault.told}, and it is not in '{where}'; it is tried again.", retry_after_s=0.0)


def shared_by(message: Mapping[str, Any]) -> Shared:
    """The files that a message of a history shares."""
    files = [(str(each.get("name")), int(each.get("size") or 0)) for each in listed(message, "files")]
    return Shared(str(message.get("user", "")), tuple(files))


async def uploaded(uploads: Sequence[Upload]) -> list[tuple[str, int]]:
    """Names and sizes of files on their way, in order."""
    return sorted([(each.name or "file", len(await content(each))) for each in uploads])
