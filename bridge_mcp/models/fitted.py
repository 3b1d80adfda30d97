"""A request fitted to what its model can: tools in words where it calls none, files as far as it can see them.

Knows adapters by their protocol alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.files import Gallery, Shown
from bridge_mcp.models.knowledge import UNKNOWN, Known
from bridge_mcp.models.prompted import in_words, out_of_words, without_calls
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import Capacity, ModelReply, ModelRequest, OnText

__all__ = ["Adapter", "Fitted"]


class Adapter(Protocol):
    """One model, with a life of its own."""

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, shown: Mapping[str, Shown] | None = None
    ) -> ModelReply:
        """See `ports.Model`; `shown` is what the model is shown of the messages' files, by their refs."""
        ...

    async def known(self) -> Known:
        """What is known of the model, once it is loaded."""
        ...

    async def warm(self) -> None:
        """Load now what the first call would have to wait for."""
        ...

    async def close(self) -> None:
        """Give its connections back."""
        ...


class Fitted:
    """An adapter that gets only what its model can take, and whose replies have calls all the same."""

    def __init__(self, settings: ModelSettings, adapter: Adapter, gallery: Gallery) -> None:
        self.settings = settings
        self._adapter = adapter
        self._gallery = gallery

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """See `ports.Model`."""
        known = await self._adapter.known()
        able = capacity(self.settings, known)
        shown = await self._gallery.show(request, sees=able.images, pdfs=able.pdfs)
        if not in_prompt(self.settings, known):
            return await self._adapter.reply(request, on_text, shown)
        tools = request.tools
        filtered = without_calls(on_text, tools) if on_text is not None else None
        return out_of_words(await self._adapter.reply(in_words(request), filtered, shown), tools)

    async def capacity(self) -> Capacity:
        """What the model can take; where it cannot be loaded, what the owner says of it."""
        try:
            known = await self._adapter.known()
        except ModelFailed:
            known = UNKNOWN
        return capacity(self.settings, known)

    async def warm(self) -> None:
        """Load now what the first call would have to wait for."""
        await self._adapter.warm()

    async def close(self) -> None:
        """Give its connections back."""
        await self._adapter.close()


def capacity(settings: ModelSettings, known: Known) -> Capacity:
    """What a model can take: as the owner says, else as is known."""
    return Capacity(
        settings.context_tokens or known.reads,
        known.sees is True if settings.vision is None else settings.vision,
        known.pdfs is True if settings.pdf is None else settings.pdf,
    )


def in_prompt(settings: ModelSettings, known: Known) -> bool:
    """Whether tools go into the prompt: as the owner says, else where the model is known to call none."""
    if settings.tool_calling == "auto":
        return known.calls_tools is False
    return settings.tool_calling == "prompt"
