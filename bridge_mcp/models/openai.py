"""Endpoints that speak OpenAI's chat format (Ollama, LM Studio, vLLM, a gateway), through the openai SDK.

The SDK's own `chat.completions.create` walks every message through its typed parameters, which costs more than all the
rest of a call; its generic `post` sends the body as it is. The SDK is imported on a worker thread, at the first call or
by `warm`. Knows nothing of litellm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from bridge_mcp.models.failures import Trouble, failed, trouble_of
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.wire import chat_body, checked_params, read_completion, reported
from bridge_mcp.ports import ModelReply, ModelRequest

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, Omit

__all__ = ["OpenAIModel"]

CONNECT_S = 10.0
"""How long reaching the server may take, within `timeout_s`."""


class OpenAIModel:
    """A `Model` behind an OpenAI-compatible `base_url`.

    Raises:
        ConfigError: `params` sets what the bridge sets itself.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._params = checked_params(settings)
        self._model = settings.model.removeprefix("openai/")
        self._client: AsyncOpenAI | None = None
        self._connecting = anyio.Lock()

    async def warm(self) -> None:
        """Import the SDK; the event loop stays free meanwhile."""
        await self._connected()

    async def close(self) -> None:
        """Close its connections; calls under way end as `ModelFailed`."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One call. See `ports.Model`."""
        client = await self._connected()
        body = chat_body(self._model, request, self._params)
        began = time.perf_counter()
        with anyio.move_on_after(self.settings.timeout_s):
            completion = await self._post(client, body)
            return read_completion(self.settings, completion, latency_s=time.perf_counter() - began)
        raise failed(self.settings, Trouble(f"nothing within {self.settings.timeout_s:g} s", kind="timeout"))

    async def _connected(self) -> AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                self._client = await anyio.to_thread.run_sync(connect, self.settings, abandon_on_cancel=True)
            return self._client

    def _headers(self, omit: Omit) -> dict[str, str | Omit]:
        """Keeps what the environment holds for OpenAI itself (a key, an organization) from going elsewhere."""
        unsent = {} if self.settings.api_key else {"Authorization": omit}
        return {"OpenAI-Organization": omit, "OpenAI-Project": omit, **unsent}

    async def _post(self, client: AsyncOpenAI, body: Mapping[str, object]) -> object:
        """The answer's JSON, or its text where it is none."""
        import httpx
        import openai

        try:
            response = await client.post(
                "/chat/completions", body=body, cast_to=httpx.Response, options={"headers": self._headers(openai.omit)}
            )
        except openai.APIStatusError as exc:
            raise failed(self.settings, refusal(exc)) from None
        except openai.APIError as exc:
            raise failed(self.settings, trouble_of(exc) or Trouble(str(exc))) from None
        try:
            return response.json()
        except ValueError:
            return response.text


def connect(settings: ModelSettings) -> AsyncOpenAI:
    """A client for this endpoint alone."""
    import httpx
    import openai

    return openai.AsyncOpenAI(
        api_key=settings.api_key or "none",
        base_url=settings.base_url,
        max_retries=0,
        timeout=httpx.Timeout(settings.timeout_s, connect=min(CONNECT_S, settings.timeout_s)),
    )


def refusal(error: APIStatusError) -> Trouble:
    """What an answer with an error status says."""
    told = reported(error.body) if error.body else Trouble(error.response.text or error.message)
    return Trouble(told.message, error.status_code, told.codes, dict(error.response.headers))
