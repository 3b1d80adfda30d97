"""Why an answer ended, by its `finish_reason`: complete, cut off, withheld (content filter), or broken off."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Ending", "ending_of", "mark"]

Ending: TypeAlias = Literal["whole", "length", "content_filter", "broken", "other"]

WHOLE = frozenset(
    {
        "",
        "stop",
        "stopped",
        "eos",
        "eos_token",
        "end",
        "end_turn",
        "endoftext",
        "stop_sequence",
        "stop_token",
        "complete",
    }
    | {"completed", "done", "finish", "finished", "success", "tool_calls", "tool_call", "tool_use", "tools"}
    | {"function_call", "function_calls", "pause_turn"}
)
LENGTH = frozenset(
    {"length", "max_tokens", "max_length", "model_length", "max_output_tokens", "max_new_tokens", "token_limit"}
    | {"max_completion_tokens", "model_context_window_exceeded", "context_length", "truncated", "incomplete"}
)
WITHHELD = frozenset(
    {"content_filter", "content_filtered", "filtered", "sensitive", "safety", "recitation", "refusal", "blocklist"}
    | {"prohibited_content", "spii", "image_safety", "guardrail_intervened", "moderation", "language"}
)
BROKEN = frozenset(
    {"error", "abort", "aborted", "cancelled", "canceled", "insufficient_system_resource", "network_error", "timeout"}
    | {"malformed_function_call", "unexpected_tool_call", "server_error", "failed", "unavailable", "preempted"}
)

KINDS: tuple[tuple[frozenset[str], Ending], ...] = (
    (WHOLE, "whole"),
    (LENGTH, "length"),
    (WITHHELD, "content_filter"),
    (BROKEN, "broken"),
)

MARKS = {
    "length": "[Cut off here: the answer reached the model's limit of tokens.]",
    "content_filter": "[Cut off here: the provider's content filter withheld the rest.]",
}


def ending_of(reason: str) -> Ending:
    """The meaning of a `finish_reason`."""
    word = reason.strip().lower().rpartition(".")[2].replace("-", "_").replace(" ", "_")
    word = word.removeprefix("finish_reason_").removeprefix("stop_reason_")
    for words, ending in KINDS:
        if word in words:
            return ending
    return "other"


def mark(finish: str) -> str:
    """The mark behind an incomplete text, for people and for the model; "" for a complete one."""
    if not finish:
        return ""
    word = "".join(char for char in finish if char.isalnum() or char in "_-")[:40]
    return MARKS.get(finish, f"[The answer may not be whole: it ended with '{word}'.]")
