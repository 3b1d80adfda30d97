"""Topics of chats: made, named, given an icon, closed and opened again."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.core.capabilities import check_topic
from bridge_mcp.core.entries import Topic, TopicAsked
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import TopicMade
from bridge_mcp.operations.addresses import check_text
from bridge_mcp.service.base import own_key, sender_of
from bridge_mcp.service.sending import Sending

__all__ = ["Topics"]

MAX_NAME = 128
"""Characters; a platform may take fewer."""
MAX_ICON = 32


class Topics(Sending):
    """Methods that need the scope `send`."""

    @property
    def has_topics(self) -> bool:
        """Whether there is a channel in whose chats topics can be made."""
        return any("make" in traits.can.topics for traits in self.traits.values())

    async def create_topic(
        self,
        who: Principal,
        conversation: str,
        name: str,
        *,
        icon: str = "",
        idempotency_key: str = "",
        wait_s: float = 5.0,
    ) -> TopicMade:
        """Make a topic in a chat; the result names it as a conversation, to which messages can be sent.

        `icon` is an emoji, where the platform has icons. Waits up to `wait_s`; after that the status is `queued`, and
        the same call with its key tells the topic later. `uncertain`: it may be there, and is not made again.

        Raises:
            Unsupported: the channel makes no topics.
            BadInput: the conversation is a topic itself.
        """
        who.require("send")
        await self._writable(who, conversation)
        address = Address.of(conversation)
        if address.thread:
            chat = f"{address.channel}/{address.chat}"
            raise BadInput(f"'{conversation}' is a topic itself.", fix=f"Make it in its chat: {chat}.")
        topic = self._wanted(address, name, icon or None, new=True)
        if not topic.name:
            raise BadInput("The topic has no name.", fix="Pass its name.")
        return await self._asked(who, conversation, topic, idempotency_key, wait_s)

    async def edit_topic(
        self,
        who: Principal,
        conversation: str,
        *,
        name: str = "",
        icon: str | None = None,
        closed: bool | None = None,
        idempotency_key: str = "",
        wait_s: float = 5.0,
    ) -> TopicMade:
        """Give a topic another name or icon ("": none), close it, or open it again; what is not passed stays.

        Raises:
            Unsupported: the channel cannot do that.
            BadInput: nothing is to be changed, or the conversation is no topic.
        """
        who.require("send")
        await self._writable(who, conversation)
        address = Address.of(conversation)
        if not address.thread:
            raise BadInput(
                f"'{conversation}' is a chat, and not a topic of one.",
                fix="Name the topic: channel/chat_id/thread_id, as list_conversations shows it.",
            )
        topic = self._wanted(address, name, icon, closed)
        if topic == Topic():
            raise BadInput("Nothing is to be changed.", fix="Pass a name, an icon, or closed.")
        return await self._asked(who, conversation, topic, idempotency_key, wait_s)

    def _wanted(
        self, address: Address, name: str, icon: str | None, closed: bool | None = None, *, new: bool = False
    ) -> Topic:
        """What a topic is to be like, as far as its channel can do that."""
        check_text(name, "name", MAX_NAME)
        check_text(icon or "", "icon", MAX_ICON)
        topic = Topic(" ".join(name.split()), icon if icon is None else icon.strip(), closed, new=new)
        check_topic(address.channel, self.traits[address.channel].can, topic)
        return topic

    async def _asked(
        self, who: Principal, conversation: str, topic: Topic, idempotency_key: str, wait_s: float
    ) -> TopicMade:
        entry = TopicAsked(topic, sender_of(who), own_key(who, idempotency_key))
        sent = await self._sent(conversation, await self._write(conversation, entry), wait_s)
        address = conversation if not topic.new else ""
        if topic.new and sent.status == "sent" and sent.parts:
            address = f"{conversation}/{sent.parts[0]}"
        assert sent.status != "scheduled"
        return TopicMade(
            sent.message, sent.status, address, reason=sent.reason, repeated=sent.repeated, warning=sent.warning
        )
