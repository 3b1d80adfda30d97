"""Every provider that litellm knows, by its name for the model.

litellm's import takes seconds, so it happens on a worker thread, at the first call or by `warm`, never when this module
is imported. It is kept quiet and to itself: no price map is fetched, no `.env` file is read, nothing is printed, its
loggers write under ours, keys go with each request and never into the process, and it does not retry by itself, because
the engine counts attempts. Knows nothing of other adapters.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Mapping
from typing import Protocol, cast

import anyio
import anyio.to_thread

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.failures import Kind, Trouble, failed, redact, trouble_of
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.wire import chat_body, checked_params, read_completion, reported
from bridge_mcp.ports import ModelReply, ModelRequest

__all__ = ["LitellmModel"]

log = logging.getLogger(__name__)

LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
HELLO: Mapping[str, JSON] = {
    "model": "openai/none",
    "api_key": "none",
    "messages": [{"role": "user", "content": "Hello."}],
    "tools": [{"type": "function", "function": {"name": "none", "parameters": {"type": "object", "properties": {}}}}],
    "mock_response": "Hello.",
}
"""A request that litellm answers itself, without any provider."""
KINDS: Mapping[str, Kind] = {
    "ContextWindowExceededError": "too_long",
    "ContentPolicyViolationError": "refused",
    "AuthenticationError": "bad_key",
    "Timeout": "timeout",
}
"""What litellm has understood already, by the names of its errors."""


LOADING = threading.Lock()
"""What `load` changes is the whole process's: the warnings' filters, litellm's settings and loggers."""


class Completion(Protocol):
    """What a call gives: a pydantic model in the shape of OpenAI's completion."""

    _hidden_params: Mapping[str, object]

    def model_dump(self, *, warnings: bool) -> dict[str, object]: ...


class Cache(Protocol):
    def flush_cache(self) -> None: ...


class Litellm(Protocol):
    """The part of litellm that is used here."""

    suppress_debug_info: bool
    modify_params: bool
    in_memory_llm_clients_cache: Cache

    def completion(self, **request: object) -> Completion: ...

    async def acompletion(self, **request: object) -> Completion: ...

    async def close_litellm_async_clients(self) -> None: ...


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

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One call. See `ports.Model`."""
        library = await self._loaded()
        body = chat_body(self.settings.model, request, self._params)
        began = time.perf_counter()
        with anyio.move_on_after(self.settings.timeout_s):
            completion = await self._complete(library, body)
            latency_s = time.perf_counter() - began
            told = completion.model_dump(warnings=False)
            return read_completion(self.settings, told, latency_s=latency_s, cost_usd=cost_of(completion))
        raise failed(self.settings, Trouble(f"nothing within {self.settings.timeout_s:g} s", kind="timeout"))

    async def _loaded(self) -> Litellm:
        async with self._loading:
            if self._litellm is None:
                self._litellm = await anyio.to_thread.run_sync(load, abandon_on_cancel=True)
            return self._litellm

    async def _complete(self, library: Litellm, body: Mapping[str, JSON]) -> Completion:
        import openai

        try:
            return await library.acompletion(
                **body,
                api_key=self.settings.api_key or None,
                base_url=self.settings.base_url or None,
                timeout=self.settings.timeout_s,
                num_retries=0,
            )
        except openai.OpenAIError as exc:
            raise failed(self.settings, refusal(exc)) from None


def load() -> Litellm:
    """Import litellm and set it up; takes seconds the first time.

    Raises:
        ModelFailed: it cannot be imported.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Its other mode reads a .env file from any folder above it into the environment of the whole process.
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    try:
        with LOADING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = cast("Litellm", importlib.import_module("litellm"))
            library.suppress_debug_info = True
            # Loads here what the first real request would load in the event loop.
            importlib.import_module("openai.resources.chat")
            library.completion(**HELLO)
    except ImportError as exc:
        raise ModelFailed(
            f"litellm cannot be imported: {exc}.",
            fix="Install bridge-mcp again, with its dependencies.",
            permanent=True,
        ) from exc
    # Some providers want a user's message first, or a list of tools wherever the history holds calls: it adds them.
    library.modify_params = True
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [Forward()]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    return library


class Forward(logging.Handler):
    """Hands a record of litellm's to our own logger; litellm's handlers write to stdout below a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "%s: %s", record.name, redact(record.getMessage()))


def cost_of(completion: Completion) -> float | None:
    """What litellm takes the call to have cost, in US dollars; None where it does not know the price."""
    cost = completion._hidden_params.get("response_cost")  # pyright: ignore[reportPrivateUsage]  # its documented place
    return float(cost) if isinstance(cost, int | float) else None


def refusal(error: Exception) -> Trouble:
    """What an error of litellm's says. Its headers hold the provider's `Retry-After`."""
    connection = trouble_of(error)
    if connection is not None:
        return connection
    known = vars(error)
    status = known.get("status_code")
    headers = cast("Mapping[str, str]", known.get("litellm_response_headers") or {})
    return Trouble(
        str(error),
        status if isinstance(status, int) else None,
        reported(known.get("body")).codes,
        dict(headers),
        KINDS.get(type(error).__name__),
    )
