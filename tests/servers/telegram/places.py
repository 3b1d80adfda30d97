"""A chat of any kind: what stands in it, what happens to it, and what became of a press on a button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge_mcp.core.errors import BadInput, BridgeError, NotFound
from tests.servers.telegram import incoming, membership
from tests.servers.telegram.state import ChatState, Membership, TopicState, UserState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.views import Message, seen
from tests.servers.telegram.world import CallbackAnswer, Press, World

if TYPE_CHECKING:
    from tests.servers.telegram.people import User

__all__ = ["Chat", "Pressed"]


class Chat:
    """A chat. Made by `TelegramServer.group` and its sisters; `user.dm` is a private one."""

    def __init__(self, world: World, state: ChatState) -> None:
        self._world, self.state = world, state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chat) and self.state is other.state

    def __hash__(self) -> int:
        return hash(self.state.id)

    @property
    def id(self) -> int:
        return self.state.id

    @property
    def title(self) -> str:
        return self.state.title

    # What stands in it.

    @property
    def messages(self) -> list[Message]:
        """Everything, oldest first, as it stands now; without what was deleted."""
        with self._world.changes.lock:
            return [self.message(number) for number, one in self.state.messages.items() if not one.deleted]

    @property
    def bot_messages(self) -> list[Message]:
        """What the bot wrote and did not delete."""
        return [one for one in self.messages if one.by_bot]

    def message(self, number: int) -> Message:
        """One message by its id, also a deleted one."""
        with self._world.changes.lock:
            state = self.state.messages.get(number)
            if state is None:
                raise NotFound(f"There is no message {number} in chat {self.id}.")
            return seen(state, self._world.bot.id, self._world.shown(state))

    async def bot_says(self, count: int = 1, timeout_s: float = 5.0) -> list[Message]:
        """Wait until the bot has at least this many messages standing in the chat; all of them."""

        def enough() -> bool:
            return sum(one.by_bot and not one.deleted for one in self.state.messages.values()) >= count

        if not await self._world.changes.until(enough, timeout_s):
            raise BridgeError(
                f"The bot wrote {len(self.bot_messages)} of {count} messages in chat {self.id} within {timeout_s} s.",
                fix=f"It wrote: {[one.text for one in self.bot_messages]!r}.",
            )
        return self.bot_messages

    # What happens to it.

    async def adds_bot(self, by: User, *, rank: Membership = "member") -> None:
        """Somebody brings the bot in, or gives it another rank."""
        self._change(self._world.bot, rank, by)

    async def kicks_bot(self, by: User) -> None:
        """Somebody throws the bot out: it is told, and every later request is refused."""
        self._change(self._world.bot, "kicked", by)

    async def promotes(self, user: User, by: User) -> None:
        """Somebody makes somebody an administrator."""
        self._change(self._world.users[user.id], "administrator", by)

    async def migrates(self, by: User) -> Chat:
        """The group becomes a supergroup with another id; its chat, with the same members."""
        if self.state.kind != "group":
            raise BadInput(f"A {self.state.kind} cannot become a supergroup.")
        with self._world.changes.lock:
            new = membership.migrate(self._world, self.state, self._world.users[by.id])
            self._world.changes.tell()
            return Chat(self._world, new)

    async def topic(self, name: str, by: User) -> int:
        """A new topic of a forum, or of a private chat of a bot that has topics; its id."""
        if not self.state.is_forum and not (self.state.person and self._world.private_topics):
            raise BadInput(
                f"{self.title} has no topics.", fix="Make it with `forum=True`, a server with `private_topics`."
            )
        with self._world.changes.lock:
            body: Object = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
            # The message that makes a topic stands in the topic itself, so its id must be known before.
            number = self._world.next_message_id(self.state)
            body |= {"message_thread_id": number, "is_topic_message": True}
            self.state.topics[number] = TopicState(number, name)
            incoming.post(
                self._world, self.state, body, incoming.Sending(sender=self._world.users[by.id], service=True)
            )
            self._world.changes.tell()
            return number

    def allows_reactions(self, *emoji: str) -> None:
        """From now on, only these; none at all without any."""
        with self._world.changes.lock:
            self.state.reactions = frozenset(emoji)

    async def closes_topic(self, thread: int) -> None:
        """Nobody but administrators writes there any more."""
        with self._world.changes.lock:
            self.state.topics[thread].closed = True

    async def deletes_topic(self, thread: int) -> None:
        """The topic and everything in it is gone."""
        with self._world.changes.lock:
            self.state.topics[thread].deleted = True
            for message in self.state.messages.values():
                message.deleted = message.deleted or message.thread == thread
            self._world.changes.tell()

    async def deletes(self, message: Message) -> None:
        """Somebody deletes a message. The bot is not told."""
        with self._world.changes.lock:
            self.state.messages[message.message_id].deleted = True
            self._world.changes.tell()

    async def posts(self, text: str, *, signature: str = "") -> Message:
        """A post of a channel: it has no author, only the channel."""
        if self.state.kind != "channel":
            raise BadInput(f"A {self.state.kind} does not post; people send.")
        with self._world.changes.lock:
            body = incoming.text_fields(self._world, incoming.user_text(text))
            state = incoming.post(self._world, self.state, body, incoming.Sending(signature=signature))
            self._world.changes.tell()
            return self.message(state.id)

    async def passes_on(self, message: Message, to: Chat) -> Message:
        """A post of this channel is put into its discussion group, in the channel's name."""
        with self._world.changes.lock:
            source = self.state.messages[message.message_id]
            wire = self._world.shown(source)
            origin = {"type": "channel", "date": wire["date"], "chat": self.state.wire(), "message_id": source.id}
            kept = {name: wire[name] for name in ("text", "entities", "caption", "caption_entities") if name in wire}
            body: Object = kept | {"forward_origin": origin, "is_automatic_forward": True}
            how = incoming.Sending(sender=incoming.TELEGRAM, as_chat=self.state)
            state = incoming.post(self._world, to.state, body, how)
            self._world.changes.tell()
            return to.message(state.id)

    def _change(self, user: UserState, rank: Membership, by: User) -> None:
        with self._world.changes.lock:
            membership.change(self._world, self.state, user, rank, self._world.users[by.id])
            self._world.changes.tell()


class Pressed:
    """A button that was pressed."""

    def __init__(self, world: World, press: Press) -> None:
        self._world, self._press = world, press

    @property
    def id(self) -> str:
        """The id of the callback query."""
        return self._press.id

    @property
    def answer(self) -> CallbackAnswer | None:
        """What the bot said to it so far."""
        return self._press.answer

    async def answered(self, timeout_s: float = 5.0) -> CallbackAnswer:
        """Wait until the bot answered."""
        if not await self._world.changes.until(lambda: self._press.answer is not None, timeout_s):
            raise BridgeError(f"The bot did not answer the press of {self._press.data!r} within {timeout_s} s.")
        answer = self._press.answer
        if answer is None:  # pragma: no cover - an answer is never taken back
            raise BridgeError("The answer of a press was taken back.")
        return answer
