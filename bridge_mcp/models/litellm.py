"""Every provider that litellm knows, by its name for the model.

Keys go with each request and never into the process. Answers are streamed where somebody is shown them as they come:
litellm takes three times as long for a stream, and half a millisecond more for each of its chunks, so nobody pays for
that who does not see it. Knows nothing of other adapters.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import cast

import anyio
import anyio.to_thread

from bridge_mcp.core.tools import JSON
from bridge_mcp.models.failures import Kind, Trouble, failed, trouble_of
from bridge_mcp.models.files import Shown
from bridge_mcp.models.knowledge import Known, look_up
from bridge_mcp.models.loading import Chunks, Completion, Litellm, load
from bridge_mcp.models.patience import Patience
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream import Assembly
from bridge_mcp.models.wire import chat_body, checked_params, mapping, read_completion, reported
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

__all__ = ["LitellmModel"]

KINDS: Mapping[str, Kind] = {
    "ContextWindowExceededError": "too_long",
    "ContentPolicyViolationError": "refused",
    "AuthenticationError": "bad_key",
    "Timeout": "timeout",
}
"""What litellm has understood already, by the names of its errors."""

BEGINNING = "(The conversation begins here.)"

STREAM: Mapping[str, JSON] = {"stream": True, "stream_options": {"include_usage": True}}


class LitellmModel:
    """A `Model` by its litellm name.

    Raises:
        ConfigError: `params` sets what the bridge sets itself.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._params = checked_params(settings)
        self._litellm: Litellm | None = None
        self._loading = anyio.Lock()

    async def warm(self) -> None:
        """Import litellm; the event loop stays free meanwhile."""
        await self._loaded()

    async def close(self) -> None:
        """Close litellm's connections, which all models in this process share: for when the process ends."""
        library, self._litellm = self._litellm, None
        if library is not None:
            await library.close_litellm_async_clients()
            library.in_memory_llm_clients_cache.flush_cache()

    async def known(self) -> Known:
        """What litellm knows of the model."""
        return look_up(self.settings.model, (await self._loaded()).model_cost)

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, shown: Mapping[str, Shown] | None = None
    ) -> ModelReply:
        """One call. See `ports.Model`."""
        library = await self._loaded()
        body = chat_body(self.settings.model, request, self._params, shown)
        body["messages"] = cast("JSON", user_first(cast("list[dict[str, JSON]]", body["messages"])))
        streams = on_text is not None if self.settings.stream is None else self.settings.stream
        began = time.perf_counter()
        with Patience(self.settings) as patience:
            try:
                if streams:
                    told, cost = await self._stream(library, body, patience, Assembly(self.settings, on_text))
                else:
                    completion = cast("Completion", await self._ask(library, body))
                    told, cost = completion.model_dump(warnings=False), cost_of(completion)
            except openai_errors() as exc:
                raise failed(self.settings, refusal(exc)) from None
            latency_s = time.perf_counter() - began
            return read_completion(self.settings, told, latency_s=latency_s, cost_usd=cost)
        raise patience.spent()

    async def _loaded(self) -> Litellm:
        async with self._loading:
            if self._litellm is None:
                self._litellm = await anyio.to_thread.run_sync(load, abandon_on_cancel=True)
            return self._litellm

    async def _ask(self, library: Litellm, body: Mapping[str, JSON]) -> Completion | Chunks:
        return await library.acompletion(
            **body,
            api_key=self.settings.api_key or None,
            base_url=self.settings.base_url or None,
            timeout=self.settings.timeout_s,
            num_retries=0,
        )

    async def _stream(
        self, library: Litellm, body: Mapping[str, JSON], patience: Patience, assembly: Assembly
    ) -> tuple[Mapping[str, JSON], float | None]:
        """The completion that a stream makes, and what it cost."""
        patience.listen()
        chunks = cast("Chunks", await self._ask(library, {**body, **STREAM}))
        try:
            async for chunk in chunks:
                patience.listen()
                assembly.add(chunk.model_dump(warnings=False))
            # It makes up an end where the provider named none.
            assembly.ended = chunks.received_finish_reason is not None
        finally:
            with anyio.CancelScope(shield=True):
                await chunks.aclose()
        completion = assembly.checked()
        return completion, priced(library, self.settings.model, completion)


def user_first(messages: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
    """The messages with a user's one in front, which some providers insist on; a chat may begin otherwise."""
    first = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
    if first == len(messages) or messages[first]["role"] == "user":
        return messages
    return [*messages[:first], {"role": "user", "content": BEGINNING}, *messages[first:]]


def openai_errors() -> type[Exception]:
    """What litellm's errors all are; the SDK is there once litellm is."""
    import openai

    return openai.OpenAIError


def cost_of(completion: Completion) -> float | None:
    """What litellm takes the call to have cost, in US dollars; None where it does not know the price."""
    cost = completion._hidden_params.get("response_cost")  # pyright: ignore[reportPrivateUsage]  # its documented place
    return float(cost) if isinstance(cost, int | float) else None


def priced(library: Litellm, model: str, completion: Mapping[str, JSON]) -> float | None:
    """The same of a completion that came in pieces."""
    if not completion.get("usage"):
        return None
    try:
        return library.completion_cost(completion_response=library.ModelResponse(**completion), model=model)
    except Exception:
        return None


def embedded(text: str) -> object:
    """The error in a provider's answer, where litellm put all of that into its message; else None."""
    try:
        body, _ = json.JSONDecoder().raw_decode(text, max(0, text.find("{")))
    except ValueError:
        return None
    return mapping(body).get("error")


def refusal(error: Exception) -> Trouble:
    """What an error of litellm's says. Its headers hold the provider's `Retry-After`."""
    inner = vars(error).get("original_exception")
    if isinstance(inner, Exception):  # a stream that broke is wrapped once more
        error = inner
    connection = trouble_of(error)
    if connection is not None:
        return connection
    known = vars(error)
    status = known.get("status_code")
    headers = cast("Mapping[str, str]", known.get("litellm_response_headers") or {})
    return Trouble(
        str(error),
        status if isinstance(status, int) else None,
        reported(known.get("body")).codes or reported(embedded(str(error))).codes,
        dict(headers),
        KINDS.get(type(error).__name__),
    )
