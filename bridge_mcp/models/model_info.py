"""What litellm knows of models, from the map that comes with it: who calls tools, who sees, what fits, what it costs.

The map is a file; reading it takes no import of litellm. Knows no adapter.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bridge_mcp.models.prices import Prices, listed

__all__ = ["UNKNOWN", "Known", "look_up", "read_map"]

MAP = "model_prices_and_context_window_backup.json"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model; None where nothing is. `reads` is how many tokens fit into a request."""

    calls_tools: bool | None = None
    sees: bool | None = None
    reads: int | None = None
    prices: Prices | None = None
    pdfs: bool | None = None


UNKNOWN = Known()


def look_up(model: str, known: ModelMap) -> Known:
    """What the map `known` says of a model by its litellm name, or of OpenAI's by their own."""
    provider, _, name = model.partition("/") if "/" in model else ("openai", "", model)
    for key in (model, name):
        told = known.get(key)
        if told is None:
            continue
        # Several providers have models of one name; only the provider's own entry counts.
        if key == model or str(told.get("litellm_provider", "")).startswith(provider):
            break
    else:
        return UNKNOWN
    if told.get("mode") not in ("chat", "responses"):
        return UNKNOWN
    reads = told.get("max_input_tokens")
    return Known(
        bool(told.get("supports_function_calling")),
        bool(told.get("supports_vision")),
        reads if isinstance(reads, int) and reads > 0 else None,
        prices=listed(told),
        pdfs=bool(told.get("supports_pdf_input")),
    )


class ModelMap:
    """The map by its text. An entry is read when it is asked for: parsing all of 3 MB would hold up the event loop for
    some 60 ms, on whatever thread.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def get(self, name: str) -> Mapping[str, object] | None:
        """What the map says of a model by this name."""
        head = f"{json.dumps(name)}: {{"
        at = self._text.find(head)
        if at < 0:
            return None
        entry, _ = json.JSONDecoder().raw_decode(self._text, at + len(head) - 1)
        return cast("dict[str, object]", entry)


def read_map() -> ModelMap:
    """The map as it is installed; empty where there is none. For a worker thread."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / MAP
        if path.is_file():
            return ModelMap(path.read_text("utf-8"))
    return ModelMap("")
