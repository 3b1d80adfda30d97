"""Checks a model for `bridge-mcp check`: its settings without a call, then one cheap call."""

from __future__ import annotations

import importlib
import os
import socket
from typing import Protocol, cast
from urllib.parse import urlsplit

import anyio
from msgspec.structs import replace

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.messages import ChatMessage
from bridge_mcp.models.litellm_loading import load
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.registry import Models, make_adapter
from bridge_mcp.models.settings import SCRIPTED, ModelSettings
from bridge_mcp.ports import ModelRequest

__all__ = ["answer_of", "complaint"]

CONNECT_S = 5.0

ASK_S = 30.0
"""How long a check waits for an answer; a model on this machine may have to be loaded first."""


class Resolver(Protocol):
    """The part of litellm that knows providers and their environment variables."""

    def get_llm_provider(self, model: str) -> object:
        """A tuple that begins with the model and its provider. Raises for an unknown one."""
        ...

    def validate_environment(self, model: str) -> dict[str, object]:
        """`missing_keys` lists the variables that are not set."""
        ...


def complaint(settings: ModelSettings) -> str:
    """What is wrong with a model, with its fix; "" if nothing is. Loads what the model needs, and takes seconds."""
    try:
        adapter = make_adapter(settings, LitellmProcess())
    except BridgeError as exc:
        return str(exc)
    if settings.model == SCRIPTED:
        return ""
    reached = unreachable(settings) if settings.base_url else ""
    if isinstance(adapter, OpenAIModel):
        return reached or keyless(settings)
    return reached or unknown(settings)


async def answer_of(settings: ModelSettings, limit_s: float = ASK_S) -> str:
    """Ask a model for one word; what went wrong, with its fix, or "" if it answered. Costs a few tokens."""
    models = Models({settings.name: replace(settings, fallbacks=())})
    question = ChatMessage("user", "Answer with the single word OK.")
    try:
        with anyio.fail_after(limit_s):
            await models.reply(ModelRequest(settings.name, (question,)))
    except BridgeError as exc:
        return str(exc)
    except TimeoutError:
        return f"{settings.model} gave no answer within {limit_s:g} s. Try again once it is loaded, or mend base_url."
    finally:
        with anyio.CancelScope(shield=True):
            await models.close()
    return ""


def keyless(settings: ModelSettings) -> str:
    """Whether OpenAI itself would be asked without a key."""
    if settings.base_url or settings.api_key or os.environ.get("OPENAI_API_KEY"):
        return ""
    return "OPENAI_API_KEY not set. Set it, or name another variable by api_key_env."


def unreachable(settings: ModelSettings) -> str:
    """Whether anything listens at an endpoint; nothing is said to it."""
    parts = urlsplit(settings.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
    except OSError as exc:
        return f"Nothing answers at {parts.hostname}:{port}: {exc.strerror or exc}. Start it, or mend base_url."
    return ""


def unknown(settings: ModelSettings) -> str:
    """Whether litellm knows the model's provider, and has its key."""
    load()
    import openai

    litellm = cast("Resolver", importlib.import_module("litellm"))
    try:
        litellm.get_llm_provider(settings.model)
    except openai.OpenAIError:
        # Its own message is longer than the next line, and no clearer.
        return f"litellm knows no provider for '{settings.model}'. Write it as provider/model, like openai/gpt-5-mini."
    if settings.api_key:
        return ""
    missing_keys = litellm.validate_environment(settings.model).get("missing_keys")
    missing = [str(name) for name in cast("list[object]", missing_keys or []) if str(name).endswith(("KEY", "TOKEN"))]
    return f"{' and '.join(missing)} not set. Set it, or name another variable by api_key_env." if missing else ""
