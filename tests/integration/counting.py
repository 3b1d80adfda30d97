"""How many tokens a request has, as OpenAI counts them: with its own encoding, and nothing of the bridge's estimate."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext.openai_public import r50k_pat_str

__all__ = ["request_tokens"]

RANKS = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
"""Where the encoding is published. litellm brings it along, under the hash of this address."""
PER_MESSAGE, PER_CALL, PER_TOOL, REPLY, IMAGE = 3, 7, 7, 3, 765


@cache
def encoding() -> tiktoken.Encoding:
    """cl100k_base, from the files that are installed."""
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "litellm_core_utils/tokenizers" / hashlib.sha1(RANKS.encode()).hexdigest()

    ranks = load_tiktoken_bpe(str(path))
    return tiktoken.Encoding("cl100k", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})


@lru_cache(maxsize=100_000)
def text_tokens(text: str) -> int:
    return len(encoding().encode_ordinary(text))


def request_tokens(body: Mapping[str, Any]) -> int:
    """Messages with their roles and names, calls, images, and tools as JSON."""
    total = REPLY
    for message in body["messages"]:
        total += PER_MESSAGE + text_tokens(message["role"])
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        total += sum(text_tokens(part["text"]) if part["type"] == "text" else IMAGE for part in parts)
        for call in message.get("tool_calls", ()):
            total += PER_CALL + text_tokens(call["function"]["name"]) + text_tokens(call["function"]["arguments"])
    return total + sum(PER_TOOL + text_tokens(json.dumps(tool["function"])) for tool in body.get("tools", ()))
