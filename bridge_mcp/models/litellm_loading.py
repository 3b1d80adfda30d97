"""Imports litellm, configures it and keeps it quiet. The import takes seconds; the bridge does it in another process.

No price map is fetched, no `.env` file is read, nothing is printed, its loggers write under ours, and it does not retry
by itself, because the engine counts attempts. Knows no request.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.errors import redact

__all__ = ["Chunks", "Completion", "Litellm", "load", "stay_at_the_endpoint"]

log = logging.getLogger("bridge_mcp.models.litellm")

T = TypeVar("T")

LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
HELLO: Mapping[str, JSON] = {
    "model": "openai/none",
    "api_key": "none",
    "messages": [{"role": "user", "content": "Hello."}],
    "tools": [{"type": "function", "function": {"name": "none", "parameters": {"type": "object", "properties": {}}}}],
    "mock_response": "Hello.",
}
"""A request that litellm answers itself, without any provider."""

LOADING = threading.Lock()
"""`load` changes the state of the whole process: filters of warnings, litellm's settings and loggers."""


class Completion(Protocol):
    """The result of a call: a pydantic model in the shape of OpenAI's completion, or of a chunk."""

    _hidden_params: Mapping[str, object]

    def model_dump(self, *, warnings: bool) -> dict[str, object]:
        """As a dict; `warnings=False` keeps pydantic quiet about fields of unexpected types."""
        ...


class Chunks(Protocol):
    """The result of a streamed call."""

    received_finish_reason: str | None
    """The provider's own finish reason; litellm's chunks always hold one."""

    def __aiter__(self) -> AsyncIterator[Completion]: ...

    async def aclose(self) -> None:
        """Close the connection to the provider."""


class Litellm(Protocol):
    """The part of litellm that is used here."""

    suppress_debug_info: bool
    modify_params: bool
    model_cost: Mapping[str, object]
    """Its map of models, by name."""

    def completion(self, **request: object) -> Iterable[object]:
        """A blocking call; here only for `HELLO`."""
        ...

    async def acompletion(self, **request: object) -> Completion | Chunks:
        """One chat completion; chunks with `stream=True`. Raises `openai.OpenAIError`."""
        ...

    async def atranscription(self, **request: object) -> Completion:
        """The words of an audio file. Raises `openai.OpenAIError`."""
        ...

    def ModelResponse(self, **fields: object) -> Completion:  # noqa: N802 - their name
        """Make a completion of its fields."""
        ...

    def completion_cost(self, *, completion_response: Completion, model: str) -> float:
        """US dollars. Raises a plain `Exception` for a model without a known price."""
        ...


def load() -> Litellm:
    """Import litellm and set it up; takes seconds the first time.

    Raises:
        ModelFailed: it cannot be imported.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Its other mode loads a .env file from any folder above into the environment of the whole process.
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    # Its own HTTP handler for OpenAI's format, which skips the validation of every message against typed parameters.
    os.environ.setdefault("EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER", "true")
    try:
        with LOADING, uncollected(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = cast("Litellm", importlib.import_module("litellm"))
            library.suppress_debug_info = True
            # Imports here what the first real request would import on the event loop.
            importlib.import_module("openai.resources.chat")
            library.completion(**HELLO)
            deque(library.completion(**HELLO, stream=True, stream_options={"include_usage": True}), 0)
    except ImportError as exc:
        raise ModelFailed(
            f"litellm cannot be imported: {exc}.",
            fix="Install the bridge again, with its dependencies.",
            permanent=True,
        ) from exc
    # Some providers require a user message first, or a list of tools if the history has calls: this setting adds them.
    library.modify_params = True
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [ForwardHandler()]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    return library


def stay_at_the_endpoint() -> None:
    """Let no HTTP client of this process follow a redirect: it may lead a conversation to another host.

    litellm and the SDKs that it loads make clients of their own, each of which would follow; none has a setting for it.
    """
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is None:
            continue
        for client in (library.Client, library.AsyncClient):
            client.send = staying(client.send)


def staying(send: Callable[..., T]) -> Callable[..., T]:
    def send_here(client: object, request: object, **options: object) -> T:
        return send(client, request, **{**options, "follow_redirects": False})

    return send_here


@contextmanager
def uncollected() -> Generator[None]:
    """Pause the garbage collector: an import makes little garbage, and collections take more than half of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class ForwardHandler(logging.Handler):
    """A logging handler that passes litellm's records to our own logger; its own write to stdout below WARNING."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "%s: %s", record.name, redact(record.getMessage()))
