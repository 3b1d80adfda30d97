"""litellm itself: imported, set up and kept quiet. Its import takes seconds; the bridge does it in another process.

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
"""What `load` changes is the whole process's: the warnings' filters, litellm's settings and loggers."""


class Completion(Protocol):
    """What a call gives: a pydantic model in the shape of OpenAI's completion, or of a chunk of one."""

    _hidden_params: Mapping[str, object]

    def model_dump(self, *, warnings: bool) -> dict[str, object]: ...


class Chunks(Protocol):
    """What a streamed call gives."""

    received_finish_reason: str | None
    """What the provider itself said of the end; the chunks name an end in any case."""

    def __aiter__(self) -> AsyncIterator[Completion]: ...

    async def aclose(self) -> None: ...


class Litellm(Protocol):
    """The part of litellm that is used here."""

    suppress_debug_info: bool
    modify_params: bool
    model_cost: Mapping[str, object]
    """What it knows of models, by their names."""

    def completion(self, **request: object) -> Iterable[object]: ...

    async def acompletion(self, **request: object) -> Completion | Chunks: ...

    def ModelResponse(self, **fields: object) -> Completion: ...  # noqa: N802 - their name

    def completion_cost(self, *, completion_response: Completion, model: str) -> float: ...


def load() -> Litellm:
    """Import litellm and set it up; takes seconds the first time.

    Raises:
        ModelFailed: it cannot be imported.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Its other mode reads a .env file from any folder above it into the environment of the whole process.
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    # Its own HTTP handler for OpenAI's format, which spares it the walk over every message through typed parameters.
    os.environ.setdefault("EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER", "true")
    try:
        with LOADING, uncollected(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = cast("Litellm", importlib.import_module("litellm"))
            library.suppress_debug_info = True
            # Loads here what the first real request would load in the event loop.
            importlib.import_module("openai.resources.chat")
            library.completion(**HELLO)
            deque(library.completion(**HELLO, stream=True, stream_options={"include_usage": True}), 0)
    except ImportError as exc:
        raise ModelFailed(
            f"litellm cannot be imported: {exc}.",
            fix="Install the bridge again, with its dependencies.",
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


def stay_at_the_endpoint() -> None:
    """Have no HTTP client of this process follow a redirect: it would take a conversation where nobody sent it.

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
    """Without collecting garbage, which an import makes little of: all collections take more than half of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Forward(logging.Handler):
    """Hands a record of litellm's to our own logger; litellm's handlers write to stdout below a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "%s: %s", record.name, redact(record.getMessage()))
