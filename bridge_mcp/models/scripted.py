"""The scripted model, which needs no key and no network: it answers by rules (see `script`), or echoes.

Its answers depend on the messages of the request alone, so a restart changes nothing. Knows no other adapter.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.core.entries import Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import canonical
from bridge_mcp.models.files import FileView
from bridge_mcp.models.model_info import ModelInfo
from bridge_mcp.models.script import Script
from bridge_mcp.models.settings import SCRIPTED
from bridge_mcp.ports import ModelCall, ModelReply, ModelRequest, OnText

__all__ = ["ScriptedModel"]

FREE = Usage(cost_usd=0.0)


class ScriptedModel:
    """A `Model` that follows a script; without one it echoes."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()

    async def known(self) -> ModelInfo:
        """It calls tools, and sees no files."""
        return ModelInfo(calls_tools=True, sees=False)

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        """Answers at once, without drafts. Ids of calls are derived from the number of messages: stable over restarts.

        Raises:
            ModelFailed: the rule that matched gave neither text nor calls.
        """
        text, planned = self.script.answer(request.messages)
        calls = tuple(
            ModelCall(f"call_{len(request.messages)}_{index}", tool, canonical(arguments))
            for index, (tool, arguments) in enumerate(planned)
        )
        if not text.strip() and not calls:
            raise ModelFailed("The scripted model's rule came to an empty text.", fix="Give its say some fixed words.")
        return ModelReply(text, calls, SCRIPTED, usage=FREE)

    async def warm(self) -> None:
        """Does nothing: there is nothing to load."""

    async def close(self) -> None:
        """Does nothing: there is nothing to close."""
