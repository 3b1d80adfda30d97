"""What the owner wants, as far as the engine is concerned; the config room makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bridge_mcp.core.policy import Budget

__all__ = ["ChannelRules", "GroupMode", "Rules"]

GroupMode: TypeAlias = Literal["mention", "always", "observe"]
"""In a group: answer what is meant for the bot; answer all; or listen, and answer nothing."""


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """What the owner wants of one channel."""

    name: str
    responder: Literal["assistant", "relay", "off"] = "relay"
    model: str = "default"
    system_prompt: str = ""
    tool_servers: tuple[str, ...] | None = None
    """None: all of them."""
    history_limit: int = 200
    late_after_s: float = 3600.0
    groups: GroupMode = "mention"
    chats: Mapping[str, GroupMode] = field(default_factory=dict[str, GroupMode])
    """What holds instead in single groups or topics, by `chat_id` or `chat_id/thread_id`."""

    def group_mode(self, chat: str) -> GroupMode:
        """What holds in a group, or in a topic of it."""
        return self.chats.get(chat) or self.chats.get(chat.partition("/")[0]) or self.groups


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner wants of the bridge, as far as the engine is concerned."""

    channels: Mapping[str, ChannelRules] = field(default_factory=dict[str, ChannelRules])
    confirmation: Literal["required", "never", "by-annotation"] = "by-annotation"
    expires_s: float = 600.0
    route: str = ""
    separate: bool = False
    """A client may not decide what a turn it started asks for."""
    max_turns: int = 64
    """How many conversations are driven at once."""
    budget: Budget = Budget()
    max_result_chars: int = 20_000
    """How many characters of a tool's result a model is shown at once; the rest it can ask for."""

    def result_chars(self, conversation: str) -> int:
        """How many characters of a tool's result the model of a conversation is shown at once."""
        return self.max_result_chars
