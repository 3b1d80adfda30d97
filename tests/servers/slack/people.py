"""People of a workspace: what they do reaches the app as events and interactions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers.slack.state import BOT, BOT_TEAM, Json, Message, StoredFile, UserState

if TYPE_CHECKING:
    from tests.servers.slack.server import SlackServer

__all__ = ["MENTION", "Channel", "Person"]

MENTION = f"<@{BOT}>"
"""How a message calls the app."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where people write."""

    id: str


class Person:
    """Somebody of the workspace."""

    def __init__(self, server: SlackServer, state: UserState) -> None:
        self._server, self._state = server, state

    @property
    def id(self) -> str:
        return self._state.id

    @property
    def name(self) -> str:
        return self._state.name

    @property
    def address(self) -> str:
        """As the bridge names them: team and user."""
        return f"{self._state.team}.{self._state.id}"

    @property
    def dm(self) -> Channel:
        """The chat with the app."""
        return Channel(self._server.world.direct(self.id).id)

    def writes(
        self, where: Channel, text: str, *, thread: str = "", files: Sequence[StoredFile] = ()
    ) -> tuple[Message, list[Json]]:
        """Put a message into a channel; with the events that Slack makes of it. No event is sent."""
        world = self._server.world
        channel = world.channels[where.id]
        message = Message(world.ts(), self.id, text, thread=thread, files=[each.id for each in files])
        for each in files:
            world.files[each.id] = each
            each.shares.setdefault(channel.id, []).append(message.ts)
        channel.messages[message.ts] = message
        wire = world.wire(channel, message) | {"channel": channel.id, "channel_type": channel.kind}
        if self._state.team != BOT_TEAM:
            wire |= {"user_team": self._state.team, "source_team": self._state.team}
        if BOT not in channel.members:
            return message, []
        called = MENTION in text and channel.kind != "im"
        return message, [wire, *([wire | {"type": "app_mention"}] if called else [])]

    async def says(self, where: Channel, text: str, *, thread: str = "", files: Sequence[StoredFile] = ()) -> Message:
        """Write a message, and wait until the app acknowledged it, or Slack gave up."""
        message, events = self.writes(where, text, thread=thread, files=files)
        await self._sent(where, events)
        return message

    async def edits(self, where: Channel, message: Message, text: str) -> None:
        """Change a message of one's own."""
        world = self._server.world
        channel = world.channels[where.id]
        before = world.wire(channel, message)
        message.text, message.edited = text, world.ts()
        event = {"type": "message", "subtype": "message_changed", "channel": channel.id, "channel_type": channel.kind}
        event |= {"hidden": True, "ts": message.edited, "previous_message": before}
        await self._sent(where, [event | {"message": world.wire(channel, message)}])

    async def reacts(self, where: Channel, message: Message, name: str) -> None:
        """Put an emoji below a message."""
        message.reactions.setdefault(name, []).append(self.id)
        item = {"type": "message", "channel": where.id, "ts": message.ts}
        event: Json = {"type": "reaction_added", "user": self.id, "reaction": name, "item": item}
        await self._sent(where, [event | {"item_user": message.user}])

    async def presses(self, where: Channel, message: Message, label: str, *, value: str | None = None) -> str:
        """Press a button; the trigger that the app got with it."""
        buttons = [b for block in message.blocks if block["type"] == "actions" for b in block["elements"]]
        found = next((each for each in buttons if label in each["text"]["text"]), None)
        if found is None and value is None:
            raise LookupError(f"there is no button {label} below {message.text!r}")
        trigger = self._server.world.id("t.")
        self._server.methods.triggers[trigger] = time.time()
        world, channel = self._server.world, self._server.world.channels[where.id]
        payload: Json = self._who("block_actions") | {
            "container": {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": False},
            "trigger_id": trigger,
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "message": world.wire(channel, message),
            "response_url": f"{self._server.base}/actions/{trigger}",
            "actions": [
                (found or {"type": "button", "action_id": "b0"})
                | {"value": value if value is not None else (found or {})["value"], "action_ts": world.ts()}
            ],
        }
        await self._server.deliveries.interaction(payload)
        return trigger

    async def submits(self, view: Json, words: str | None) -> None:
        """Fill a form of the app in."""
        field = {"words": {"words": {"type": "plain_text_input", "value": words}}}
        payload: Json = self._who("view_submission") | {"view": view | {"state": {"values": field}}}
        await self._server.deliveries.interaction(payload)

    async def commands(self, where: Channel, text: str) -> None:
        """Use the app's slash command."""
        world, channel = self._server.world, self._server.world.channels[where.id]
        trigger = world.id("t.")
        self._server.methods.triggers[trigger] = time.time()
        payload: Json = {
            "command": "/bridge",
            "text": text,
            "user_id": self.id,
            "user_name": self.name.lower(),
            "team_id": self._state.team,
            "team_domain": "home",
            "channel_id": channel.id,
            "channel_name": channel.name or "directmessage",
            "api_app_id": "A0BRIDGE0",
            "trigger_id": trigger,
            "response_url": f"{self._server.base}/commands/{trigger}",
        }
        await self._server.deliveries.command(payload)

    def told(self) -> list[str]:
        """What the app told this person alone, in order."""
        return [str(each["text"]) for each in self._server.methods.ephemeral if each["user"] == self.id]

    def _who(self, kind: str) -> Json:
        user = {"id": self.id, "username": self.name.lower(), "name": self.name.lower(), "team_id": self._state.team}
        return {"type": kind, "user": user, "team": {"id": BOT_TEAM, "domain": "home"}, "api_app_id": "A0BRIDGE0"}

    async def _sent(self, where: Channel, events: Sequence[Json]) -> None:
        shared = self._server.world.channels[where.id].shared
        await asyncio.gather(*(self._server.deliveries.event(each, shared=shared) for each in events))
