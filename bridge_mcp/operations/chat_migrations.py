"""Chats that got another id on their platform: the conversation keeps the first one, messages go to the current one."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.ports import ChannelState

__all__ = ["current", "home"]


async def home(state: ChannelState, channel: str, target: str) -> str:
    """The chat as conversations and pairings know it, its thread included."""
    address = Address.on(channel, target)
    return address._replace(chat=await state.first_chat_id(channel, address.chat)).target


async def current(state: ChannelState, address: Address) -> str:
    """The target that the platform knows the chat by now, its thread included."""
    return address._replace(chat=await state.current_chat_id(address.channel, address.chat)).target
