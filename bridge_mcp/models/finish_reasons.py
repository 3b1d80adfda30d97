"""Why an answer ended, by its `finish_reason`: complete, cut off, withheld (content filter), or broken off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

__all__ = ["Ending", "ending_of", "mark"]

Ending: TypeAlias = Literal["whole", "length", "content_filter", "broken", "other"]

REASONS: Mapping[Ending, str] = {
    "whole": "stop stopped eos eos_token end end_turn endoftext stop_sequence stop_token complete completed done finish"
    " finished success tool_calls tool_call tool_use tools function_call function_calls pause_turn",
    "length": "length max_tokens max_length model_length max_output_tokens max_new_tokens token_limit truncated"
    " max_completion_tokens model_context_window_exceeded context_length incomplete",
    "content_filter": "content_filter content_filtered filtered sensitive safety recitation refusal blocklist spii"
    " prohibited_content image_safety guardrail_intervened moderation language",
    "broken": "error abort aborted cancelled canceled insufficient_system_resource network_error timeout failed"
    " malformed_function_call unexpected_tool_call server_error unavailable preempted",
}
ENDINGS: Mapping[str, Ending] = {reason: ending for ending, words in REASONS.items() for reason in words.split()}

MARKS = {
    "length": "[Cut off here: the answer reached the model's limit of tokens.]",
    "content_filter": "[Cut off here: the provider's content filter withheld the rest.]",
}


def ending_of(reason: str) -> Ending:
    """The meaning of a `finish_reason`."""
    word = reason.strip().lower().rpartition(".")[2].replace("-", "_").replace(" ", "_")
    word = word.removeprefix("finish_reason_").removeprefix("stop_reason_")
    return ENDINGS.get(word, "other") if word else "whole"


def mark(finish: str) -> str:
    """The mark behind an incomplete text, for people and for the model; "" for a complete one."""
    if not finish:
        return ""
    word = "".join(char for char in finish if char.isalnum() or char in "_-")[:40]
    return MARKS.get(finish, f"[The answer may not be whole: it ended with '{word}'.]")
