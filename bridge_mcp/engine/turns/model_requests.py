"""Builds model requests: system prompt, tools, and as much of the past as fits. Writes nothing."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.entries import Log
from bridge_mcp.core.messages import ChatMessage, message_tokens
from bridge_mcp.core.prompt_context import chat_context, place_of, server_instructions
from bridge_mcp.core.roles import order_messages
from bridge_mcp.core.summary import summary_request
from bridge_mcp.core.token_estimate import AROUND, calibration, ceiling, tokens_of
from bridge_mcp.core.transcript import Annotations, ModelView
from bridge_mcp.core.window import Window, fit
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.engine.turns.timestamps import teller
from bridge_mcp.engine.turns.transcript_cache import TranscriptCache
from bridge_mcp.ports import ChannelRules, Model, ModelRequest

__all__ = ["Prepared", "Requests", "window_of"]

MIN_ROOM = 400.0
"""Tokens that the past may have however much the prompt and the tools take: then the provider has the last word."""

SENDS = "send_message"
"""The bridge's own tool that takes files by their ids."""


class Prepared(Struct, frozen=True):
    """A request as it could be made now."""

    request: ModelRequest
    estimate: int
    """Its tokens, uncalibrated."""
    cut: int | None
    """Where the past should be cut before it is made; see `core.window.Fitted`."""
    past: ModelView
    budget: float
    """The highest estimate that a request of this conversation may have."""


class Requests:
    """Makes requests for conversations, each from its log. Asks the model for no more than what it can take."""

    def __init__(self, policies: Policies, model: Model, transcripts: TranscriptCache) -> None:
        self._policies = policies
        self._model = model
        self._transcripts = transcripts

    async def prepare(self, conversation: str, log: Log, upto: int | None = None) -> Prepared:
        """The request for the turn under way; messages from `upto` on are left to the next one."""
        rules = self._policies.channel(conversation)
        capacity = await self._model.capacity(rules.model)
        window = replace(rules.window.known_to_be(capacity.context_tokens), messages=rules.history_limit)
        system = self._system(conversation, rules, log)
        view = self._transcripts.of(conversation).past(
            log,
            upto=upto,
            result_chars=window.shown_chars,
            image_turns=window.image_turns,
            images=capacity.images,
            pdfs=capacity.pdfs,
            annotations=annotations_of(conversation, rules),
        )
        tools, tools_tokens = self._policies.offer(conversation, view)
        scale = calibration(log)
        budget = min(window.room / scale, ceiling(log))
        fixed = (tokens_of(system) + AROUND if system else 0) + tools_tokens
        fitted = fit(view, window, max(budget - fixed, MIN_ROOM))
        head = (ChatMessage("system", system),) if system else ()
        request = ModelRequest(
            rules.model, order_messages((*head, *fitted.messages)), tools, conversation=conversation, scale=scale
        )
        return Prepared(request, fixed + fitted.estimate, fitted.cut, past=view, budget=budget)

    def summary(self, prepared: Prepared, cut: int) -> tuple[ModelRequest, int]:
        """The request for a summary of what stands before `cut`, and its estimate. It offers no tools."""
        messages = summary_request(prepared.past, cut, max(prepared.budget, MIN_ROOM))
        request = replace(prepared.request, messages=messages, tools=())
        return request, sum(map(message_tokens, messages))

    def summarises(self, conversation: str) -> bool:
        """Whether the model itself sums up what a cut takes away."""
        return self._policies.channel(conversation).window.summarise

    def _system(self, conversation: str, rules: ChannelRules, log: Log) -> str:
        """The system prompt: first what is the same in all chats of a channel."""
        parts = [self._policies.prompts.text(rules), server_instructions(self._policies.instructions(rules))]
        if rules.chat_context:
            files = SENDS in rules.builtin_tools
            parts.append(chat_context(conversation, rules.type, place_of(log), zone=rules.timezone, files=files))
        return "\n\n".join(filter(None, parts))


def annotations_of(conversation: str, rules: ChannelRules) -> Annotations:
    """What a channel's model is told of each message."""
    if not rules.chat_context:
        return Annotations()
    return Annotations(teller(rules.timezone), conversation if SENDS in rules.builtin_tools else "")


async def window_of(rules: ChannelRules, model: Model) -> Window:
    """What one request on a channel may hold, with what is known of its model."""
    return rules.window.known_to_be((await model.capacity(rules.model)).context_tokens)
