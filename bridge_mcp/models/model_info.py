"""Capabilities of models by the map that comes with litellm: tools, vision, context window, prices.

The map is a file, read without importing litellm. Knows no adapter.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from msgspec import Struct

from bridge_mcp.models.prices import Prices, listed

__all__ = ["UNKNOWN", "ModelInfo", "look_up", "read_map"]

MAP = "model_prices_and_context_window_backup.json"


class ModelInfo(Struct, frozen=True):
    """A model's capabilities; None: unknown. `reads` is how many tokens fit into a request."""

    calls_tools: bool | None = None
    sees: bool | None = None
    reads: int | None = None
    prices: Prices | None = None
    pdfs: bool | None = None


UNKNOWN = ModelInfo()


def look_up(model: str, model_map: ModelMap) -> ModelInfo:
    """A model's capabilities by its litellm name, or by OpenAI's own."""
    provider, _, name = model.partition("/") if "/" in model else ("openai", "", model)
    for key in (model, name):
        entry = model_map.get(key)
        if entry is None:
            continue
        # Several providers have models of the same name; only the provider's own entry counts.
        if key == model or str(entry.get("litellm_provider", "")).startswith(provider):
            break
    else:
        return UNKNOWN
    if entry.get("mode") not in ("chat", "responses"):
        return UNKNOWN
    reads = entry.get("max_input_tokens")
    return ModelInfo(
        bool(entry.get("supports_function_calling")),
        bool(entry.get("supports_vision")),
        reads if isinstance(reads, int) and reads > 0 else None,
        prices=listed(entry),
        pdfs=bool(entry.get("supports_pdf_input")),
    )


class ModelMap:
    """The text of the map, of which each entry is parsed on demand.

    Parsing all of its 3 MB would stall the event loop for some 60 ms, on whatever thread.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def get(self, name: str) -> Mapping[str, object] | None:
        """The map's entry for this name."""
        head = f"{json.dumps(name)}: {{"
        at = self._text.find(head)
        if at < 0:
            return None
        entry, _ = json.JSONDecoder().raw_decode(self._text, at + len(head) - 1)
        return cast("dict[str, object]", entry)


def read_map() -> ModelMap:
    """The installed map; empty if there is none. Call it on a worker thread."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / MAP
        if path.is_file():
            return ModelMap(path.read_text("utf-8"))
    return ModelMap("")
