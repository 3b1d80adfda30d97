"""Calls of litellm, in its own process. Knows the format and litellm, and nothing of pipes."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json_at
from bridge_mcp.models.errors import Kind, ProviderError, connection_error, failed
from bridge_mcp.models.litellm_loading import Chunks, Completion, Litellm
from bridge_mcp.models.openai_responses import mapping, reported
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream_accumulator import StreamAccumulator

__all__ = ["Grown", "ask", "hear"]

Grown: TypeAlias = Callable[[str], None]
"""Is told of every chunk by what the text has grown by."""

KINDS: Mapping[str, Kind] = {
    "ContextWindowExceededError": "too_long",
    "ContentPolicyViolationError": "refused",
    "AuthenticationError": "bad_key",
    "Timeout": "timeout",
}
"""The kinds of failure that litellm has classified already, by the names of its exceptions."""

STREAM: Mapping[str, JSON] = {"stream": True, "stream_options": {"include_usage": True}}


async def ask(
    library: Litellm, settings: ModelSettings, body: Mapping[str, JSON], grown: Grown | None
) -> tuple[Mapping[str, object], float | None]:
    """One call, streamed if `grown` is given: the completion, and its cost in US dollars if known.

    Raises:
        ModelFailed: the provider failed.
    """
    import openai

    try:
        if grown is not None:
            return await stream(library, settings, body, grown)
        completion = cast("Completion", await request(library, settings, body))
        return completion.model_dump(warnings=False), cost_of(completion)
    except openai.OpenAIError as exc:  # the base of all litellm's errors
        raise failed(settings, refusal(exc)) from None


async def hear(
    library: Litellm, settings: ModelSettings, body: Mapping[str, JSON]
) -> tuple[Mapping[str, object], float | None]:
    """The transcript of a file (`data` in base64, `name`, `mime`, `language`), and its cost in US dollars if known.

    Raises:
        ModelFailed: the provider failed.
    """
    import openai

    file = (str(body["name"]), b64decode(str(body["data"])), str(body["mime"]))
    try:
        transcript = await library.atranscription(
            model=settings.model,
            file=file,
            response_format="json",
            **({"language": body["language"]} if body.get("language") else {}),
            api_key=settings.api_key or None,
            api_base=settings.base_url or None,
            timeout=settings.timeout_s,
            max_retries=0,
            drop_params=True,  # some providers know no language
        )
    except openai.OpenAIError as exc:
        raise failed(settings, refusal(exc)) from None
    return transcript.model_dump(warnings=False), cost_of(transcript)


async def request(library: Litellm, settings: ModelSettings, body: Mapping[str, JSON]) -> Completion | Chunks:
    return await library.acompletion(
        **body,
        api_key=settings.api_key or None,
        base_url=settings.base_url or None,
        timeout=settings.timeout_s,
        num_retries=0,
    )


async def stream(
    library: Litellm, settings: ModelSettings, body: Mapping[str, JSON], grown: Grown
) -> tuple[Mapping[str, object], float | None]:
    """The completion that the chunks of a stream make, and its cost."""
    texts = [""]
    assembly = StreamAccumulator(settings, texts.append)
    chunks = cast("Chunks", await request(library, settings, {**body, **STREAM}))
    try:
        async for chunk in chunks:
            assembly.add(chunk.model_dump(warnings=False))
            grown(texts[-1][len(texts[0]) :])
            texts[:] = texts[-1:]
        # It makes up a finish reason if the provider sent none.
        assembly.ended = chunks.received_finish_reason is not None
    finally:
        await asyncio.shield(chunks.aclose())
    completion = assembly.checked()
    return completion, priced(library, settings.model, completion)


def cost_of(completion: Completion) -> float | None:
    """The call's cost by litellm's prices, in US dollars; None: the price is unknown."""
    cost = completion._hidden_params.get("response_cost")  # pyright: ignore[reportPrivateUsage]  # its documented place
    return float(cost) if isinstance(cost, int | float) else None


def priced(library: Litellm, model: str, completion: Mapping[str, JSON]) -> float | None:
    """The same for a completion that was streamed."""
    if not completion.get("usage"):
        return None
    try:
        return library.completion_cost(completion_response=library.ModelResponse(**completion), model=model)
    except Exception:  # litellm raises a plain `Exception` for a model whose price it does not know
        return None


def embedded(text: str) -> object:
    """The error object of a provider's response, if litellm put the whole body into its message; else None."""
    try:
        body, _ = read_json_at(text, max(0, text.find("{")), odd="mend")
    except BadJSON:
        return None
    return mapping(body).get("error")


def refusal(error: Exception) -> ProviderError:
    """An exception of litellm's as a `ProviderError`. Its headers hold the provider's `Retry-After`."""
    inner = vars(error).get("original_exception")
    if isinstance(inner, Exception):  # a stream that broke is wrapped once more
        error = inner
    connection = connection_error(error)
    if connection is not None:
        return connection
    attributes = vars(error)
    status = attributes.get("status_code")
    headers = cast("Mapping[str, str]", attributes.get("litellm_response_headers") or {})
    return ProviderError(
        str(error),
        status if isinstance(status, int) else None,
        reported(attributes.get("body")).codes or reported(embedded(str(error))).codes,
        headers=dict(headers),
        kind=KINDS.get(type(error).__name__),
    )
