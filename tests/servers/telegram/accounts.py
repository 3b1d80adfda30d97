"""Accounts that are connected with the bot (Telegram Business), and the direct messages of channels.

https://core.telegram.org/bots/api#businessconnection, #directmessagestopic. The bot is told of all that is said in the
chats of an account, by both sides; its own messages there it is not told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge_mcp.core.errors import BadInput
from tests.servers.telegram import incoming
from tests.servers.telegram.call import Call
from tests.servers.telegram.places import Chat
from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.state import ChatState, ConnectionState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.views import Message
from tests.servers.telegram.world import World

if TYPE_CHECKING:
    from tests.servers.telegram.people import User

__all__ = ["Account", "DirectMessages", "delete_business", "get_connection"]


class Account:
    """Somebody's account, connected with the bot."""

    def __init__(self, world: World, owner: User, *, can_reply: bool) -> None:
        self._world, self.owner = world, owner
        self.connect(can_reply=can_reply)

    @property
    def id(self) -> str:
        """The id of the connection."""
        return self._state.id

    def connect(self, *, can_reply: bool = True) -> None:
        """Connect the bot, anew after it was disconnected."""
        with self._world.changes.lock:
            number = self._world.number("connection")
            user = self._world.users[self.owner.id]
            self._state = ConnectionState(f"conn-{number}_{user.id}", user, can_reply, at=int(self._world.clock.now()))
            self._world.connections[self._state.id] = self._state
            self._tell()

    def disconnect(self) -> None:
        """The owner takes the bot out of their chats."""
        with self._world.changes.lock:
            self._state.enabled = False
            self._tell()

    def _tell(self) -> None:
        self._world.queue.push("business_connection", self._state.wire())
        self._world.changes.tell()

    def chat(self, guest: User) -> Chat:
        """The chat of the account's owner with somebody, which is none of the bot's own."""
        with self._world.changes.lock:
            chats = self._state.chats
            if guest.id not in chats:
                chats[guest.id] = ChatState(guest.id, "private", person=self._world.users[guest.id])
                chats[guest.id].connection = self._state.id
            return Chat(self._world, chats[guest.id])

    async def hears(self, guest: User, text: str, *, reply_to: Message | None = None) -> Message:
        """Somebody writes to the account's owner."""
        return self._said(guest, guest, text, reply_to)

    async def hears_file(self, guest: User, kind: str, data: bytes, caption: str = "") -> Message:
        """Somebody sends the account's owner a file; see `User.sends_file`."""
        return self._said(guest, guest, caption, None, (kind, data))

    async def says(self, guest: User, text: str) -> Message:
        """The owner writes to somebody, with their own hands."""
        return self._said(guest, self.owner, text, None)

    def _said(
        self, guest: User, who: User, text: str, reply_to: Message | None, file: tuple[str, bytes] | None = None
    ) -> Message:
        chat = self.chat(guest)
        with self._world.changes.lock:
            body, contents = incoming.text_fields(self._world, incoming.user_text(text)), ()
            if file:
                body, content = who.file(*file, None, None, text, {})
                contents = (content,)
            replied = chat.state.messages[reply_to.message_id] if reply_to else None
            how = incoming.Sending(sender=self._world.users[who.id], reply_to=replied, contents=contents)
            if who is guest:
                chat.state.heard_at = self._world.clock.now()
            state = incoming.post(self._world, chat.state, body, how)
            self._world.changes.tell()
            return chat.message(state.id)

    async def deletes(self, guest: User, messages: Sequence[Message]) -> None:
        """Messages of a chat are deleted."""
        chat = self.chat(guest)
        with self._world.changes.lock:
            numbers = [each.message_id for each in messages]
            for number in numbers:
                chat.state.messages[number].deleted = True
            told: Object = {"business_connection_id": self.id, "chat": chat.state.wire(), "message_ids": numbers}
            self._world.queue.push("deleted_business_messages", told)
            self._world.changes.tell()


class DirectMessages(Chat):
    """What people write to a channel: one chat, in which each of them has a topic."""

    async def hears(self, guest: User, text: str) -> Message:
        """Somebody writes to the channel."""
        return self._said(guest, text, by_channel=False)

    async def says(self, guest: User, text: str) -> Message:
        """An administrator answers somebody, in the channel's name."""
        return self._said(guest, text, by_channel=True)

    def _said(self, guest: User, text: str, *, by_channel: bool) -> Message:
        world = self._world
        with world.changes.lock:
            if self.state.parent is None:
                raise BadInput("This chat is of no channel.")
            user = world.users[guest.id]
            self.state.direct_topics.setdefault(guest.id, user)
            body = incoming.text_fields(world, incoming.user_text(text))
            body["direct_messages_topic"] = {"topic_id": guest.id, "user": user.wire()}
            how = incoming.Sending(sender=incoming.CHANNEL_BOT if by_channel else user)
            if by_channel:
                how = incoming.Sending(sender=incoming.CHANNEL_BOT, as_chat=self.state.parent)
            self.state.members.setdefault(guest.id, "member")
            state = incoming.post(world, self.state, body, how)
            world.changes.tell()
            return self.message(state.id)


def get_connection(world: World, call: Call) -> Object:
    """`getBusinessConnection`."""
    found = world.connections.get(call.text("business_connection_id"))
    if found is None:
        raise bad_request("business connection not found")
    return found.wire()


def delete_business(world: World, call: Call) -> bool:
    """`deleteBusinessMessages`: needs a right of its own."""
    found = world.connections.get(call.text("business_connection_id"))
    if found is None or not found.enabled:
        raise bad_request("business connection not found")
    if not found.can_delete:
        raise bad_request("not enough rights to delete the message")
    numbers = call.json("message_ids")
    for chat in found.chats.values():
        for number, message in chat.messages.items():
            if isinstance(numbers, list) and number in numbers:
                message.deleted = True
    return True
