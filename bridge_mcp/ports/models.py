"""The port of a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.entries import Attachment, Usage
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.transcript import ChatMessage

__all__ = ["Capacity", "Fetch", "Model", "ModelCall", "ModelHealth", "ModelReply", "ModelRequest", "OnText"]

OnText: TypeAlias = Callable[[str], None]
"""Is told the whole text of a reply so far, whenever it has grown; "" when what was told came to nothing.

It is called in the middle of reading the provider's answer: it must be cheap, and must not raise.
"""


Fetch: TypeAlias = Callable[[Attachment], Awaitable[bytes]]
"""Gives the bytes of a file that came with a message. Raises a `BridgeError` where they cannot be had."""


class ModelRequest(Struct, frozen=True):
    """One question to a model. `model` is the name of a `[models.NAME]` section."""

    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    conversation: str = ""
    fetch: Fetch | None = None
    """For the files of the messages that the model can be shown; without it they are named only."""
    fallbacks: bool = True
    """Whether other models may answer where this one fails; where not, no other one is sent any of it."""
    scale: float = 1.0
    """How many tokens the provider counts for one of `core.token_estimate`, as far as experience tells."""


class ModelCall(Struct, frozen=True):
    """A tool call as the model gave it."""

    id: str
    tool: str
    arguments: str
    kept: str = ""
    """What its provider gave beside it and wants back, as the text of a JSON object."""


class ModelReply(Struct, frozen=True):
    """What a model gave: text, calls, or both."""

    text: str
    calls: tuple[ModelCall, ...] = ()
    model: str = ""
    usage: Usage = Usage()
    finish: str = ""
    """Why it is not whole, as its provider named it; empty where it is. The calls of such a reply are not run."""
    kept: str = ""
    """What its provider gave beside it and wants back, as the text of a JSON object."""
    kept_for: str = ""
    """The only model that `kept`, and what is kept of the calls, may be sent to."""


class Capacity(Struct, frozen=True):
    """What a model can take, as far as anybody knows."""

    context_tokens: int | None = None
    """Question and answer together; None: nobody knows."""
    images: bool = True
    pdfs: bool = False


class ModelHealth(Struct, frozen=True):
    """How one model of a `[models.NAME]` section is. `error` is the whole truth of its last failure, with its fix."""

    name: str
    model: str
    error: str = ""
    """Empty while it is well, or was not asked yet."""
    kind: str = ""
    """What kind of failure it is, as a stable word: `bad_key`, `rate_limit`, …"""
    since: float = 0.0
    """The epoch second of the first failure since it last answered."""
    instead: str = ""
    """The fallback that answers in its place, if one does."""
    remark: str = ""
    """What its owner should know though it answers: tools that it is not offered, calls that it writes as text."""


class Model(Protocol):
    """Answers a request."""

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """One attempt; the engine counts, waits and tries again. Cancelling ends the provider's call too.

        `on_text` is there when somebody can be shown a text that is still growing; then it is called as the text comes,
        if it comes in parts. What it is told is a foretaste: only the reply counts, and its text may be another.

        Raises:
            ModelFailed: no whole reply came; it says whether trying again can help, and what to tell the chat.
        """
        ...

    async def capacity(self, model: str) -> Capacity:
        """What the model of a `[models.NAME]` section can take: itself, not its fallbacks. Never raises.

        May wait until the model is loaded, as its first `reply` would.
        """
        ...

    def health(self) -> tuple[ModelHealth, ...]:
        """How the models were when they were last asked, in a stable order."""
        ...
