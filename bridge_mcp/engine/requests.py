"""What a model is asked: system prompt, tools, and as much of the past as fits. Calls nobody and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge_mcp.core.entries import Log
from bridge_mcp.core.summary import summary_request
from bridge_mcp.core.tokens import AROUND, calibration, ceiling, tokens_of
from bridge_mcp.core.transcript import ChatMessage, Past, message_tokens, past
from bridge_mcp.core.window import Window, fit
from bridge_mcp.engine.policies import Policies
from bridge_mcp.ports import ModelRequest

__all__ = ["Prepared", "Requests"]

LEAST_ROOM = 400.0
"""Tokens that the past may have however much the prompt and the tools take: then the provider has the last word."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it could be made now."""

    request: ModelRequest
    estimate: int
    """Its tokens, uncalibrated."""
    cut: int | None
    """Where the past should be cut before it is made; see `core.window.Fitted`."""
    past: Past
    budget: float
    """The highest estimate that a request of this conversation may have."""


class Requests:
    """Makes requests for conversations, each from its log."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def prepare(self, conversation: str, log: Log, upto: int | None = None) -> Prepared:
        """The request for the turn under way; messages from `upto` on are left to the next one."""
        rules = self._policies.channel(conversation)
        window = replace(rules.window, messages=rules.history_limit)
        tools = self._policies.tools(conversation)
        system = self._policies.prompts.text(rules)
        seen = past(log, upto=upto, result_chars=window.shown_chars, image_turns=window.image_turns)
        budget = min(window.room / calibration(log), ceiling(log))
        fixed = (tokens_of(system) + AROUND if system else 0) + self._policies.tools_tokens(conversation)
        fitted = fit(seen, window, max(budget - fixed, LEAST_ROOM))
        head = (ChatMessage("system", system),) if system else ()
        request = ModelRequest(rules.model, (*head, *fitted.messages), tools, conversation)
        return Prepared(request, fixed + fitted.estimate, fitted.cut, seen, budget)

    def summary(self, prepared: Prepared, cut: int) -> tuple[ModelRequest, int]:
        """The request for a summary of what stands before `cut`, and its estimate. It offers no tools."""
        messages = summary_request(prepared.past, cut, max(prepared.budget, LEAST_ROOM))
        request = ModelRequest(prepared.request.model, messages, (), prepared.request.conversation)
        return request, sum(map(message_tokens, messages))

    def window(self, conversation: str) -> Window:
        """The window of a conversation's model."""
        return self._policies.channel(conversation).window
