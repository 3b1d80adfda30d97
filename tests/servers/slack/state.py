"""What a workspace holds: people, channels, messages, files. Knows no HTTP."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["BOT", "BOT_ID", "BOT_TEAM", "ChannelState", "Json", "Message", "StoredFile", "UserState", "Workspace"]

Json: TypeAlias = dict[str, Any]

BOT, BOT_ID, BOT_TEAM, APP = "U0BRIDGE0", "B0BRIDGE0", "T0HOME000", "A0BRIDGE0"


@dataclass
class UserState:
    id: str
    name: str
    team: str = BOT_TEAM
    is_bot: bool = False

    def wire(self) -> Json:
        """https://docs.slack.dev/reference/objects/user-object"""
        profile = {"display_name": self.name, "real_name": f"{self.name} Real", "team": self.team}
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name.lower(),
            "real_name": f"{self.name} Real",
            "deleted": False,
            "is_bot": self.is_bot,
            "is_stranger": self.team != BOT_TEAM,
            "profile": profile,
        }


@dataclass
class Message:
    ts: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list[Json])
    thread: str = ""
    """The `ts` of its thread's first message, as it was sent with; "" outside."""
    metadata: Json | None = None
    files: list[str] = field(default_factory=list[str])
    reactions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    edited: str = ""
    deleted: bool = False
    streaming: bool = False
    markdown: str = ""
    """What a stream gave so far."""

    @property
    def ours(self) -> bool:
        return self.user == BOT


@dataclass
class ChannelState:
    id: str
    name: str
    kind: str
    """`im`, `mpim`, `channel` or `group`."""
    members: set[str] = field(default_factory=set[str])
    messages: dict[str, Message] = field(default_factory=dict[str, Message])
    shared: bool = False
    """With another workspace (Slack Connect)."""
    archived: bool = False

    def wire(self) -> Json:
        """https://docs.slack.dev/reference/objects/conversation-object"""
        made: Json = {"id": self.id, "is_im": self.kind == "im", "is_mpim": self.kind == "mpim"}
        if self.kind == "im":
            return made | {"user": next(iter(self.members - {BOT}), ""), "is_archived": False}
        return made | {
            "name": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_private": self.kind != "channel",
            "is_archived": self.archived,
            "is_ext_shared": self.shared,
            "is_member": BOT in self.members,
        }


@dataclass
class StoredFile:
    id: str
    name: str
    data: bytes
    mime: str = "application/octet-stream"
    title: str = ""
    user: str = BOT
    put: bool = False
    complete: bool = False
    shares: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By channel: the messages that share it."""


class Workspace:
    """All of it; ids and times are of its own."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._ts = 0
        self.users: dict[str, UserState] = {BOT: UserState(BOT, "Bridge", is_bot=True)}
        self.channels: dict[str, ChannelState] = {}
        self.files: dict[str, StoredFile] = {}

    def number(self) -> int:
        return next(self._ids)

    def id(self, letter: str) -> str:
        return f"{letter}{self.number():08X}"

    def ts(self) -> str:
        """A message's time, which is also its id: later than every earlier one."""
        self._ts = max(self._ts + 100, int(time.time() * 1_000_000))
        return f"{self._ts // 1_000_000}.{self._ts % 1_000_000:06d}"

    def direct(self, user: str) -> ChannelState:
        """The chat of the app and one person; made where there is none."""
        for channel in self.channels.values():
            if channel.kind == "im" and user in channel.members:
                return channel
        made = ChannelState(self.id("D"), "", "im", {user, BOT})
        self.channels[made.id] = made
        return made

    def wire(self, channel: ChannelState, message: Message, *, metadata: bool = False) -> Json:
        """https://docs.slack.dev/reference/events/message, as history and events tell it."""
        made: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text}
        made["team"] = self.users[message.user].team
        if message.blocks:
            made["blocks"] = message.blocks
        if message.ours:
            made |= {"bot_id": BOT_ID, "app_id": APP}
        elif (author := self.users[message.user]).is_bot:
            profile = {"id": f"B{author.id[1:]}", "name": author.name, "app_id": f"A{author.id[1:]}", "deleted": False}
            made |= {"bot_id": profile["id"], "app_id": profile["app_id"], "bot_profile": profile}
        if message.files:
            made["files"] = [self.file_wire(self.files[each]) for each in message.files]
            made["subtype"] = "file_share"
        replies = [each for each in channel.messages.values() if each.thread == message.ts and not each.deleted]
        if message.thread:
            parent = channel.messages.get(message.thread)
            made |= {"thread_ts": message.thread, "parent_user_id": parent.user if parent else ""}
        elif replies:
            made |= {"thread_ts": message.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
        if message.edited:
            made["edited"] = {"user": message.user, "ts": message.edited}
        if message.reactions:
            made["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()
            ]
        if metadata and message.metadata:
            made["metadata"] = message.metadata
        return made

    def file_wire(self, file: StoredFile, base: str = "") -> Json:
        """https://docs.slack.dev/reference/objects/file-object"""
        public: dict[str, list[Json]] = {}
        for channel, messages in file.shares.items():
            public[channel] = [{"ts": ts, "channel_name": self.channels[channel].name} for ts in messages]
        return {
            "id": file.id,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": file.mime,
            "size": len(file.data),
            "mode": "hosted",
            "user": file.user,
            "url_private": f"{base}/files-pri/{file.id}/{file.name}",
            "url_private_download": f"{base}/files-pri/{file.id}/download/{file.name}",
            "shares": {"private" if self.hidden(file) else "public": public} if public else {},
        }

    def hidden(self, file: StoredFile) -> bool:
        return any(self.channels[channel].kind != "channel" for channel in file.shares)
