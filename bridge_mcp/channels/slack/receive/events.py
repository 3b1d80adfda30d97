"""Events and interactions as arrivals. https://docs.slack.dev/reference/events/message; no I/O but names.

A chat with one person goes by that person. A mention in a channel begins a thread (where the owner wants that), and a
thread is a conversation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from cachetools import LRUCache
from msgspec import Struct

from bridge_mcp.channels.slack.places import Places, chat_of, micros, person
from bridge_mcp.channels.slack.receive.names import MOST_S, Names
from bridge_mcp.channels.slack.send.emoji import emoji_of
from bridge_mcp.channels.slack.settings import SlackSettings
from bridge_mcp.channels.slack.text.mrkdwn import bare, mentioned, read
from bridge_mcp.channels.slack.values import inner, listed
from bridge_mcp.core.attachments import attachment_kind
from bridge_mcp.core.entries import Attachment, Sender
from bridge_mcp.ports import ButtonPress, Clock, Happening, Incoming

__all__ = ["Account", "Events"]

SAID = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of messages that people write; all others tell of something."""
GONE = frozenset({"tombstone", "hidden_by_limit"})
REMEMBERED = 4096
MAX_FILES = 20


class Account(Struct, frozen=True):
    """The app's own account."""

    team: str
    user: str
    name: str
    bot: str = ""
    """The id that messages of the app carry, beside that of its user."""


class Events:
    """Reads the events of one app."""

    def __init__(self, settings: SlackSettings, me: Account, names: Names, places: Places, clock: Clock) -> None:
        self._settings, self._me, self._names, self._places, self._clock = settings, me, names, places, clock
        self._chats: LRUCache[tuple[str, str], str] = LRUCache(REMEMBERED)
        """By channel and `ts`: the conversation of a message, which later events do not tell."""

    async def read(self, event: Mapping[str, Any], team: str) -> Incoming | Happening | None:
        """One event; None where it concerns nobody. `team` is the workspace that it was sent for."""
        match str(event.get("type", "")):
            case "message" | "app_mention":
                if event.get("subtype") == "message_changed":
                    return await self._changed(event, team)
                return await self._message(event, str(event["channel"]), team)
            case "reaction_added" | "reaction_removed" if self._settings.reactions:
                return await self._reaction(event, team)
            case _:
                return None

    async def _message(self, event: Mapping[str, Any], channel: str, team: str, *, edit: str = "") -> Incoming | None:
        """A message that somebody wrote; None for our own, and those that nobody wrote."""
        bot, ts = str(event.get("bot_id") or ""), str(event.get("ts") or "")
        user = str(event.get("user") or "") or bot
        if not user or not ts or user == self._me.user or (bot and bot == self._me.bot):
            return None
        if str(event.get("subtype") or "") not in (SAID | {"bot_message"} if bot else SAID):
            return None
        whose = str(event.get("user_team") or event.get("source_team") or team)
        sender = by_app(event, user, whose or self._me.team) if bot else await self._sender(user, whose)
        words = str(event.get("text") or "")
        with anyio.move_on_after(MOST_S):  # all of them together: others wait for this message
            for each in list(mentioned(words))[:10]:
                if each != self._me.user:
                    await self._names.user(each)
        direct, called = is_direct(event, channel), self._me.user in mentioned(words)
        if direct:
            self._places.learn(sender.id, channel)
        # A bot begins no thread of its own: the guard against bots that answer each other counts by conversation.
        chat = self._chat(channel, sender.id if direct else "", event, ts, called=called and not bot)
        return Incoming(
            channel=self._settings.name,
            chat=chat,
            key=ts,
            sender=sender,
            text=read(words, self._name),
            at=micros(ts) / 1e6,
            title=sender.name if direct else await self._names.title(channel),
            attachments=attachments(listed(event, "files")),
            group=not direct,
            addressed=direct or called or self._is_ours(event),
            outsider="bot" if bot else "",
            bare=bare(words, self._me.user, self._name),
            edit=edit,
        )

    async def _changed(self, event: Mapping[str, Any], team: str) -> Incoming | None:
        """A new version of a message. Slack also tells of previews so, which change no word."""
        after, before = inner(event, "message"), inner(event, "previous_message")
        edited = inner(after, "edited")
        if not edited or after.get("text") == before.get("text"):
            return None
        message: dict[str, Any] = {"channel_type": event.get("channel_type", "")} | dict(after)
        return await self._message(message, str(event["channel"]), team, edit=str(edited.get("ts") or after.get("ts")))

    async def _reaction(self, event: Mapping[str, Any], team: str) -> Happening | None:
        item = inner(event, "item")
        user, channel, ts = str(event.get("user") or ""), str(item.get("channel") or ""), str(item.get("ts") or "")
        if not channel or not ts or user == self._me.user:
            return None
        sender = await self._sender(user, team)
        chat = self._chats.get((channel, ts)) or (sender.id if channel.startswith("D") else channel)
        sign, added = emoji_of(str(event.get("reaction") or "")), event["type"] == "reaction_added"
        return Happening(
            self._settings.name,
            chat,
            "message.reaction",
            sender=sender,
            body={"added": [sign], "removed": []} if added else {"added": [], "removed": [sign]},
            message=ts,
            at=self._clock.now(),
        )

    async def command(self, payload: Mapping[str, Any]) -> Incoming:
        """A slash command: `/bridge status` says `/status`."""
        channel, team = str(payload["channel_id"]), str(payload.get("team_id") or self._me.team)
        sender = await self._sender(str(payload["user_id"]), team)
        direct = channel.startswith("D")
        if direct:
            self._places.learn(sender.id, channel)
        return Incoming(
            channel=self._settings.name,
            chat=sender.id if direct else channel,
            key=f"command:{payload['trigger_id']}",
            sender=sender,
            text=read(f"/{str(payload.get('text') or 'help').strip().lstrip('/')}", self._name),
            at=self._clock.now(),
            title=sender.name if direct else str(payload.get("channel_name") or ""),
            group=not direct,
        )

    async def press(self, payload: Mapping[str, Any], token: str, where: OwnMessage, written: str = "") -> ButtonPress:
        """A press on a button, or what was written into the form that one opened."""
        user = inner(payload, "user")
        team = str(user.get("team_id") or inner(payload, "team").get("id") or "")
        sender = await self._sender(str(user["id"]), team)
        if where.channel.startswith("D"):
            self._places.learn(sender.id, where.channel)
        chat = self._chats.get((where.channel, where.message)) or chat_of(
            sender.id if where.channel.startswith("D") else where.channel, where.thread
        )
        return ButtonPress(
            self._settings.name, chat, where.message, sender=sender, token=token, at=self._clock.now(), written=written
        )

    # -- what they share ---------------------------------------------------------------------------------------

    async def _sender(self, user: str, team: str) -> Sender:
        """Who did something. Who is of another team (Slack Connect) is no person whom the owner can let decide."""
        profile = await self._names.user(user)
        theirs = profile.team or team or self._me.team
        ours = theirs == self._me.team and (not team or team == self._me.team)
        return Sender(person(theirs, user), profile.name or user, "person" if ours and not profile.bot else "bot")

    def _chat(self, channel: str, who: str, event: Mapping[str, Any], ts: str, *, called: bool) -> str:
        """The conversation of a message: what is known of it, its thread, or a thread that it begins."""
        thread = str(event.get("thread_ts") or "")
        if known := self._chats.get((channel, ts)):
            return known
        if not thread and called and not who and self._settings.threads:
            thread = ts
        elif thread == ts and who:
            thread = ""  # the first message of a thread in a chat with one person stands in that chat
        elif thread == ts and not (called and self._settings.threads):
            thread = ""
        chat = chat_of(who or channel, thread)
        self._chats[channel, ts] = chat
        return chat

    def _is_ours(self, event: Mapping[str, Any]) -> bool:
        """Whether it stands in a thread below a message of ours."""
        return bool(event.get("thread_ts")) and event.get("parent_user_id") == self._me.user

    def _name(self, user: str) -> str:
        return self._me.name if user == self._me.user else self._names.at_hand(user)


class OwnMessage(Struct, frozen=True):
    """A message of ours, below which something was pressed."""

    channel: str
    message: str
    thread: str


def by_app(event: Mapping[str, Any], user: str, team: str) -> Sender:
    """Another app, as its messages name it: https://docs.slack.dev/reference/events/message/bot_message."""
    name = event.get("username") or inner(event, "bot_profile").get("name") or user
    return Sender(person(team, user), str(name)[:100], "bot")


def is_direct(event: Mapping[str, Any], channel: str) -> bool:
    """Whether it is a chat with one person."""
    return event.get("channel_type") == "im" or channel.startswith("D")


def attachments(files: Sequence[Mapping[str, Any]]) -> tuple[Attachment, ...]:
    """The files of a message, as far as they are there."""
    attached: list[Attachment] = []
    for each in files[:MAX_FILES]:
        if each.get("mode") in GONE or not each.get("id"):
            continue
        mime, size = str(each.get("mimetype") or ""), each.get("size")
        attached.append(
            Attachment(
                str(each["id"]),
                attachment_kind(mime),
                mime,
                name=str(each.get("name") or each.get("title") or ""),
                size=size if isinstance(size, int) else None,
            )
        )
    return tuple(attached)
