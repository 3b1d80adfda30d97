"""What an agent's hook is told, and what it may answer, as plain values.

Plain classes, here and in the modules of the hosts: a hook stands in an agent's way, and loading `dataclasses` alone
takes as long as starting Python does.
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias, cast

    Mode: TypeAlias = Literal["interactive", "headless", "bypass"]
    """Whether somebody sits at the agent's own prompt; or nobody does; or the agent asks nobody, whoever sits there."""
else:

    def cast(_kind, value):
        """`typing.cast`, without `typing`."""
        return value


__all__ = ["BrokenInput", "Ended", "Outcome", "Permission", "fields_of", "items_of", "text_of"]


class BrokenInput(Exception):
    """What came on standard input is not what this host's hooks are told."""


class Permission:
    """A call that an agent wants to make, and that somebody is to allow."""

    def __init__(
        self,
        event: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        session: str,
        folder: str,
        mode: Mode,
        agent: str = "",
        rules: tuple[Mapping[str, Any], ...] = (),
        server: str = "",
    ) -> None:
        self.event = event
        self.tool = tool
        """The host's own name of the tool."""
        self.arguments = arguments
        """Whole, as the host gives them."""
        self.session = session
        self.folder = folder
        self.mode: Mode = mode
        self.agent = agent
        """The subagent that asks; empty for the main one."""
        self.rules = rules
        """Standing permissions that the host itself offers with it; each as the host wrote it."""
        self.server = server
        """Where the tool is one of an MCP server: where that is."""


class Outcome:
    """What became of a call, told by the hook after it."""

    def __init__(
        self, tool: str, arguments: Mapping[str, Any], *, session: str, error: str = "", refused: bool = False
    ) -> None:
        self.tool = tool
        self.arguments = arguments
        self.session = session
        self.error = error
        """How it failed; empty where it did not."""
        self.refused = refused
        """It was not run at all."""


class Ended:
    """A session is over, or goes on with something else: nobody waits for its prompts any more."""

    def __init__(self, session: str, reason: str) -> None:
        self.session = session
        self.reason = reason


def fields_of(value: object) -> dict[str, Any]:
    """A JSON object's fields; of anything else none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items_of(value: object) -> list[Any]:
    """The values of a JSON list; of anything else none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text_of(event: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is a text; "" for none."""
    return next((value for name in names if isinstance(value := event.get(name), str)), "")
