"""Chat migrations: a chat that got another id on its platform keeps its conversation; messages go to the current id."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.ports import ChannelState

__all__ = ["current", "home"]


async def home(state: ChannelState, channel: str, target: str) -> str:
    """The first id of a chat, by which conversations and pairings know it, with its thread."""
    address = Address.on(channel, target)
    return address._replace(chat=await state.first_chat_id(channel, address.chat)).target


async def current(state: ChannelState, address: Address) -> str:
    """The current id of a chat on its platform, with its thread."""
    return address._replace(chat=await state.current_chat_id(address.channel, address.chat)).target
