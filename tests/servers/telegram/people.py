"""A person, with everything a person does to a bot: write, send, press, edit, react, come and go, block.

All of it takes effect at once; the methods are coroutines so that they read alike and can be used from any loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_mcp.core.errors import BadInput, Denied, NotFound
from tests.servers.telegram import incoming, membership
from tests.servers.telegram.call import Upload
from tests.servers.telegram.media import WITHOUT_CAPTION, media_fields
from tests.servers.telegram.places import Chat, Pressed
from tests.servers.telegram.samples import SAMPLES
from tests.servers.telegram.state import Content, MessageState, UserState
from tests.servers.telegram.texts import Entity, Object
from tests.servers.telegram.views import Message
from tests.servers.telegram.world import Press, World

__all__ = ["User"]


INLINE_BOT = 5_000_000_001
"""The id of whatever inline bot somebody writes through."""


class User:
    """A person. Made by `TelegramServer.user`."""

    def __init__(self, world: World, state: UserState) -> None:
        self._world, self._state = world, state

    @property
    def id(self) -> int:
        return self._state.id

    @property
    def name(self) -> str:
        return self._state.first_name

    @property
    def username(self) -> str:
        return self._state.username

    @property
    def dm(self) -> Chat:
        """The private chat between this person and the bot."""
        with self._world.changes.lock:
            return Chat(self._world, self._world.private(self._state))

    async def sends(
        self,
        chat: Chat,
        text: str,
        *,
        reply_to: Message | None = None,
        quote: str = "",
        thread: int = 0,
        entities: Sequence[Entity] = (),
        anonymous: bool = False,
        as_channel: Chat | None = None,
        via: str = "",
    ) -> Message:
        """Write a message.

        Args:
            thread: the id of a topic of a forum.
            entities: what the person marked; commands, mentions and addresses are found anyway.
            anonymous: as an administrator who stays anonymous: the message comes from the group itself.
            as_channel: in the name of a channel.
            via: through the inline bot of this username, whose words it then holds.
        """
        with self._world.changes.lock:
            rich = incoming.user_text(text, tuple(entities))
            if not rich.text:
                raise BadInput("Nobody can send an empty message.")
            body = incoming.text_fields(self._world, rich)
            if via:
                body["via_bot"] = UserState(INLINE_BOT, via, username=via, is_bot=True).wire()
            return self._post(chat, body, (), reply_to, quote, thread, anonymous=anonymous, as_channel=as_channel)

    async def sends_file(
        self,
        chat: Chat,
        kind: str,
        data: bytes | None = None,
        *,
        name: str | None = None,
        mime: str | None = None,
        caption: str = "",
        reply_to: Message | None = None,
        thread: int = 0,
        album: str = "",
        **more: Any,
    ) -> Message:
        """Send a file.

        Args:
            album: the `media_group_id` of the album it is a part of.
            kind: photo, document, voice, audio, video, animation, video_note or sticker.
            data: the bytes; without them a small sample of the kind is sent.
            more: what stands with the file in the message, e.g. `duration=3` or `emoji="👍"`.
        """
        with self._world.changes.lock:
            body, content = self.file(kind, data, name, mime, caption, more)
            return self._post(chat, body, (content,), reply_to, "", thread, album=album)

    async def sends_photo(self, chat: Chat, data: bytes | None = None, caption: str = "", **more: Any) -> Message:
        """Send a photo; see `sends_file`."""
        return await self.sends_file(chat, "photo", data, caption=caption, **more)

    async def sends_album(
        self, chat: Chat, files: Sequence[tuple[str, bytes | None, str]], *, thread: int = 0
    ) -> list[Message]:
        """Send several files as one: for each its kind, its bytes (None: a sample) and its caption.

        The bot gets one message for each, held together by nothing but their `media_group_id`.
        """
        with self._world.changes.lock:
            album = str(13_000_000_000_000_000 + self._world.number("album"))
            made = [self.file(kind, data, None, None, caption, {}) for kind, data, caption in files]
            return [self._post(chat, body, (content,), None, "", thread, album=album) for body, content in made]

    async def sends_location(self, chat: Chat, latitude: float, longitude: float, *, thread: int = 0) -> Message:
        """Send a place."""
        with self._world.changes.lock:
            body: Object = {"location": {"latitude": latitude, "longitude": longitude}}
            return self._post(chat, body, (), None, "", thread)

    async def forwards(self, message: Message, to: Chat, *, hidden: bool = False) -> Message:
        """Forward a message. `hidden`: its author does not let forwards lead back to them."""
        with self._world.changes.lock:
            source = self._find(message)
            wire = self._world.shown(source)
            origin: Object = {"type": "user", "date": wire["date"], "sender_user": wire.get("from", {})}
            if hidden:
                origin = {
                    "type": "hidden_user",
                    "date": wire["date"],
                    "sender_user_name": wire.get("from", {}).get("first_name", "Somebody"),
                }
            elif source.chat.kind == "channel":
                origin = {"type": "channel", "date": wire["date"], "chat": source.chat.wire(), "message_id": source.id}
            stays = (
                "message_id",
                "date",
                "chat",
                "from",
                "sender_chat",
                "reply_to_message",
                "reply_markup",
                "edit_date",
            )
            body = {name: value for name, value in wire.items() if name not in stays} | {"forward_origin": origin}
            return self._post(to, body, tuple(source.contents), None, "", 0)

    async def edits(self, message: Message, text: str) -> Message:
        """Change the text, or the caption, of one's own message."""
        with self._world.changes.lock:
            state = self._find(message)
            if state.wire.get("from", {}).get("id") != self.id:
                raise Denied(f"{self.name} did not write message {message.message_id}.")
            incoming.edit(self._world, state, incoming.user_text(text))
            self._world.changes.tell()
            return Chat(self._world, state.chat).message(state.id)

    async def presses(self, message: Message, button: str, *, within: Chat | None = None) -> Pressed:
        """Press a button of a message as it stands now, named by what stands on it or by its data.

        `within`: the chat with somebody's account that it stands in, which is none of the bot's own.
        """
        with self._world.changes.lock:
            state = within.state.messages[message.message_id] if within else self._find(message)
            rows = state.wire.get("reply_markup", {}).get("inline_keyboard", [])
            buttons = [one for row in rows for one in row if "callback_data" in one]
            found = next((one for one in buttons if button in (one["text"], one["callback_data"])), None)
            if found is None:
                labels = ", ".join(repr(one["text"]) for one in buttons) or "none"
                raise NotFound(f"Message {message.message_id} has no button {button!r}.", fix=f"It has: {labels}.")
            return self._press(state, str(found["callback_data"]))

    async def sends_press(self, message: Message, data: str) -> Pressed:
        """Press with any data, as a changed program can: also for a button that is not there (any more)."""
        with self._world.changes.lock:
            return self._press(self._world.chats[message.chat_id].messages[message.message_id], data)

    async def reacts(self, message: Message, *emoji: str) -> None:
        """React with these instead of what was before; with none, take reactions back."""
        with self._world.changes.lock:
            membership.react(self._world, self._find(message), self._state, emoji)
            self._world.changes.tell()

    async def joins(self, chat: Chat) -> None:
        with self._world.changes.lock:
            membership.change(self._world, chat.state, self._state, "member", self._state)
            self._world.changes.tell()

    async def leaves(self, chat: Chat) -> None:
        with self._world.changes.lock:
            membership.change(self._world, chat.state, self._state, "left", self._state)
            self._world.changes.tell()

    async def blocks(self) -> None:
        """Block the bot: it is told, and cannot write any more."""
        with self._world.changes.lock:
            membership.block(self._world, self._state, True)
            self._world.changes.tell()

    async def unblocks(self) -> None:
        with self._world.changes.lock:
            membership.block(self._world, self._state, False)
            self._world.changes.tell()

    async def deletes_account(self) -> None:
        """The person is gone from Telegram."""
        with self._world.changes.lock:
            self._state.deactivated = True
            self._world.changes.tell()

    def _find(self, message: Message) -> MessageState:
        found = self._world.chats[message.chat_id].messages.get(message.message_id)
        if found is None or found.deleted:
            raise NotFound(f"Message {message.message_id} is not there.", fix="It may have been deleted.")
        return found

    def file(
        self, kind: str, data: bytes | None, name: str | None, mime: str | None, caption: str, more: Object
    ) -> tuple[Object, Content]:
        """What a message with a file holds; the caller has the world's lock."""
        if kind not in SAMPLES:
            raise BadInput(f"There is no kind of file {kind!r}.", fix=f"Use one of: {', '.join(SAMPLES)}.")
        if caption and kind in WITHOUT_CAPTION:
            raise BadInput(f"A {kind} has no caption.")
        sample = SAMPLES[kind]
        upload = Upload(
            sample[0] if name is None else name,
            sample[1] if mime is None else mime,
            sample[2] if data is None else data,
        )
        content = self._world.files.add(kind, upload)
        rich = incoming.user_text(caption)
        return media_fields(content, more) | incoming.text_fields(self._world, rich, caption=True), content

    def _press(self, state: MessageState, data: str) -> Pressed:
        world = self._world
        press = Press(str(4_000_000_000_000_000_000 + world.number("press")), data, world.clock.now())
        world.presses[press.id] = press
        update: Object = {"id": press.id, "from": self._state.wire(), "chat_instance": str(state.chat.id), "data": data}
        if state.deleted:
            update["message"] = {"chat": state.chat.wire(), "message_id": state.id, "date": 0}
        else:
            update["message"] = world.shown(state)
        world.queue.push("callback_query", update)
        world.changes.tell()
        return Pressed(world, press)

    def _post(
        self,
        chat: Chat,
        body: Object,
        contents: tuple[Content, ...],
        reply_to: Message | None,
        quote: str,
        thread: int,
        *,
        album: str = "",
        anonymous: bool = False,
        as_channel: Chat | None = None,
    ) -> Message:
        sender, author = self._state, None
        if as_channel:
            sender, author = incoming.CHANNEL_BOT, as_channel.state
        elif anonymous:
            sender, author = incoming.ANONYMOUS, chat.state
        how = incoming.Sending(
            sender=sender,
            as_chat=author,
            reply_to=self._find(reply_to) if reply_to else None,
            quote=quote,
            thread=thread,
            contents=contents,
            album=album,
        )
        state = incoming.post(self._world, chat.state, body, how)
        self._world.changes.tell()
        return chat.message(state.id)
