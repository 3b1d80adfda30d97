"""What is kept of a platform's side of a channel (`ChannelState`): offsets, moved chats, titles of topics, and more."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from bridge_mcp.ports import ChannelOffset, FirstMessage
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlChannelState"]


class SqlChannelState(Face):
    """See `ports.ChannelState`."""

    async def offset(self, channel: str) -> int | None:
        """None before the first update."""
        return await self._reads.value("channel_offset", channel=channel)

    async def set_offset(self, position: ChannelOffset) -> None:
        """Writes only a changed offset."""
        if await self.offset(position.channel) != position.offset:

            def operation(session: Session) -> None:
                session.hold_channel(position.channel)
                session.put("set_channel_offset", channel=position.channel, offset=position.offset)

            await self._writer.execute(operation, None)

    async def move_chat(self, channel: str, chat: str, to: str) -> None:
        """See `ports.ChannelState`; keeps the first id over several moves."""

        def operation(session: Session) -> None:
            session.alone("moved_chats")
            first = first_chat_id(session, channel, chat)
            if to != first and session.value("current_chat_id", channel=channel, chat=first) != to:
                session.put("move_chat", channel=channel, first_id=first, current_id=to)

        await self._writer.execute(operation, None)

    async def first_chat_id(self, channel: str, chat: str) -> str:
        """The id itself for a chat that never moved."""
        return await self._reads.short(lambda session: first_chat_id(session, channel, chat))

    async def current_chat_id(self, channel: str, chat: str) -> str:
        """The id itself for a chat that never moved."""
        return await self._reads.value("current_chat_id", channel=channel, chat=chat) or chat

    async def topic_title(self, channel: str, chat: str) -> str:
        """Returns "" if unknown."""
        return await self._reads.value("topic_title", channel=channel, chat=chat) or ""

    async def set_topic_title(self, channel: str, chat: str, title: str, *, at_most: int) -> None:
        """Writes only a changed title."""

        def operation(session: Session) -> None:
            session.put("set_topic_title", channel=channel, chat=chat, title=title)
            session.put("delete_oldest_topic_titles", channel=channel, at_most=at_most)

        if await self.topic_title(channel, chat) != title:
            await self._writer.execute(operation, None)

    async def keep_first_message(self, message: FirstMessage, *, at_most: int) -> None:
        """Replaces the subject's older one."""

        def operation(session: Session) -> None:
            session.put("set_first_message", **structs.asdict(message))
            session.put("delete_oldest_first_messages", channel=message.channel, at_most=at_most)

        await self._writer.execute(operation, None)

    async def first_message(self, channel: str, subject: str) -> FirstMessage | None:
        """None for none."""
        row = await self._reads.row("first_message", channel=channel, subject=subject)
        return None if row is None else FirstMessage(*row)

    async def forget_first_message(self, channel: str, subject: str) -> None:
        """Writes only if there is one."""
        if await self.first_message(channel, subject) is not None:
            await self._put("delete_first_message", channel=channel, subject=subject)

    async def set_undelivered(self, conversation: str, reason: str, *, at_most: int) -> None:
        """Replaces the conversation's older reason."""

        def operation(session: Session) -> None:
            session.put("set_undelivered", conversation=conversation, reason=reason)
            session.put("delete_oldest_undelivered", at_most=at_most)

        await self._writer.execute(operation, None)

    async def clear_undelivered(self, conversation: str) -> None:
        """Writes only if there is one."""
        if await self._reads.value("undelivered_reason", conversation=conversation) is not None:
            await self._put("delete_undelivered", conversation=conversation)

    async def undelivered(self) -> Mapping[str, str]:
        """Reasons by conversation."""
        return dict(await self._reads.rows("undelivered"))


def first_chat_id(session: Session, channel: str, chat: str) -> str:
    """See `ports.ChannelState`."""
    return session.value("first_chat_id", channel=channel, chat=chat) or chat
