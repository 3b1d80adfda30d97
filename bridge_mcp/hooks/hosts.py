"""The hosts whose hooks are known. A module for each says what that host tells, and what it takes."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping

from bridge_mcp.hooks.events import BrokenInput, Ended, Outcome, Permission, fields_of
from bridge_mcp.hooks.fallbacks import FALLBACKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Answer: TypeAlias = Mapping[str, Any] | None
    """What is written to standard output, as JSON; None for nothing."""

__all__ = ["HOSTS", "Host", "host_named"]

HOSTS = ("claude-code", "codex", "cursor", "gemini", "copilot")


class Host(ABC):
    """How one host's hooks are read and answered."""

    name = ""
    label = ""
    """What people call it."""

    @abstractmethod
    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """What the host tells.

        Raises:
            BrokenInput: fields are missing, or no such event is known.
        """

    @abstractmethod
    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """Yes; with other arguments, where an approver changed them, and with the host's own standing permissions."""

    @abstractmethod
    def deny(self, call: Permission, reason: str) -> Answer:
        """No, and why."""

    @abstractmethod
    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """Ask by yourself, as if there were no hook."""

    def takes_edits(self, call: Permission) -> bool:
        """Whether the arguments can be changed."""
        return True

    def fallback(self, call: Permission, reason: str) -> Answer:
        """What is answered where the bridge cannot decide: never anything that the host reads as a yes."""
        if FALLBACKS[self.name, call.event][call.mode] == "prompt":
            return self.own_prompt(call, reason)
        return self.deny(call, reason)


def host_named(name: str) -> Host:
    """The host of this name; it is loaded alone.

    Raises:
        KeyError: it is none of `HOSTS`.
    """
    if name == "claude-code":
        from bridge_mcp.hooks.claude_code import ClaudeCode

        return ClaudeCode()
    if name == "codex":
        from bridge_mcp.hooks.codex import Codex

        return Codex()
    if name == "cursor":
        from bridge_mcp.hooks.cursor import Cursor

        return Cursor()
    if name == "gemini":
        from bridge_mcp.hooks.gemini import Gemini

        return Gemini()
    if name == "copilot":
        from bridge_mcp.hooks.copilot import Copilot

        return Copilot()
    raise KeyError(name)


def unknown(event: object) -> BrokenInput:
    """An event that the bridge does not know: it may be one that silence allows."""
    event_name = event[:80] if isinstance(event, str) else ""
    return BrokenInput(f"it knows no event '{event_name}'" if event_name else "it has no hook_event_name")


def arguments_in(value: object) -> Mapping[str, Any]:
    """Arguments of a call.

    Raises:
        BrokenInput: they are no JSON object.
    """
    fields = fields_of(value)
    if not fields and value != {}:
        raise BrokenInput("the arguments of the call are no JSON object")
    return fields


def arguments_or_text(value: object) -> Mapping[str, Any]:
    """Arguments of a call that stand there as an object or as its JSON text; nothing stands for none.

    Raises:
        BrokenInput: they are no JSON object.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError as exc:
            raise BrokenInput(f"the arguments are no JSON: {exc}") from None
    return arguments_in({} if value is None else value)
