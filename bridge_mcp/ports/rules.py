"""What the owner wants, as far as the engine is concerned; the config room makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge_mcp.core.policy import Budget

__all__ = ["ChannelRules", "Rules"]


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
