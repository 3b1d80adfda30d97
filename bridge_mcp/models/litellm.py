"""Models through litellm, by its names for them; litellm itself runs in a process of its own.

Keys go with each request and never into a process's environment. Answers are streamed only if somebody watches them:
litellm takes three times as long for a stream, and half a millisecond more for each chunk. Knows nothing of other
adapters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import cast

import anyio
import anyio.to_thread

from bridge_mcp.core.tools import JSON
from bridge_mcp.models.files import FileView
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.model_info import ModelInfo, look_up, read_map
from bridge_mcp.models.openai_format import ToolsJson, chat_body, checked_params
from bridge_mcp.models.openai_responses import read_completion
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.timeouts import CallTimeouts
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

__all__ = ["LitellmModel"]

BEGINNING = "(The conversation begins here.)"


class LitellmModel:
    """A `Model` by its litellm name; many models share one `process`.

    Raises:
        ConfigError: `params` sets what the bridge sets itself.
    """

    def __init__(self, settings: ModelSettings, process: LitellmProcess) -> None:
        self.settings = settings
        self._params = checked_params(settings)
        self._process = process
        self._offer = ToolsJson()
        self._known: ModelInfo | None = None
        self._looking = anyio.Lock()

    async def warm(self) -> None:
        """Start litellm's process, and wait until it has loaded."""
        await self._process.ready()

    async def close(self) -> None:
        """Does nothing: the owner of the process ends it."""

    async def known(self) -> ModelInfo:
        """The model's capabilities by litellm's map."""
        if self._known is None:
            async with self._looking:
                if self._known is None:
                    self._known = await anyio.to_thread.run_sync(lambda: look_up(self.settings.model, read_map()))
        return self._known

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        """One call. See `ports.Model`."""
        body = chat_body(self.settings.model, request, self._params, views, self.settings.identity)
        if request.tools:
            body["tools"] = self._offer.listed(request.tools)
            if not body["tools"]:
                del body["tools"]
        body["messages"] = cast("JSON", user_first(cast("list[dict[str, JSON]]", body["messages"])))
        streams = on_text is not None if self.settings.stream is None else self.settings.stream
        with CallTimeouts(self.settings) as patience:
            await self._process.ready()
            began = time.perf_counter()
            if streams:
                patience.listen()
            answer = await self._process.ask(self.settings, body, patience.listen if streams else None, on_text)
            latency_s = time.perf_counter() - began
            return read_completion(self.settings, answer.completion, latency_s=latency_s, cost_usd=answer.cost_usd)
        raise patience.spent()


def user_first(messages: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
    """The messages, with a user message in front if there is none: some providers insist on it."""
    first = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
    if first == len(messages) or messages[first]["role"] == "user":
        return messages
    return [*messages[:first], {"role": "user", "content": BEGINNING}, *messages[first:]]
