"""Which tools a model is offered: those whose schemas its provider accepts, learned from refusals."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from msgspec.structs import replace

from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.models.refusals import suspects, tool_limit, unable_to_call
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.text_call_parser import written_calls
from bridge_mcp.models.tool_schemas import schema_for_models
from bridge_mcp.ports import ModelReply, ModelRequest

__all__ = ["OPENAI_TAKES", "OfferedTools"]

log = logging.getLogger(__name__)

OPENAI_TAKES = 128
"""OpenAI's limit of tools in one request; many others take no more."""

OFFERS = 16
"""Sets of tools whose filtered lists are cached."""


class OfferedTools:
    """The tools that one model can be offered. `remark` warns its owner of those that are left out."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self.prompted = False
        """Whether the provider answered that the model cannot call tools: then they go into the prompt."""
        self._refused: dict[tuple[str, str], str] = {}
        """By name and schema: why a tool is left out."""
        self._most: int | None = None
        self._known: dict[int, tuple[tuple[ToolSpec, ...], tuple[ToolSpec, ...]]] = {}
        """Filtered lists by `id()` of the original tuple, which is kept alive here."""
        self._remarks: dict[str, str] = {}

    @property
    def remark(self) -> str:
        """The warnings for the owner; "" for none."""
        return " ".join(self._remarks.values())

    def offered(self, request: ModelRequest) -> ModelRequest:
        """The request with the tools that the model accepts."""
        tools = request.tools
        if not tools:
            return request
        cached = self._known.get(id(tools))
        if cached is None:
            if len(self._known) >= OFFERS:
                self._known.clear()
            cached = self._known[id(tools)] = (tools, self._left_of(tools))
        return request if cached[1] is tools else replace(request, tools=cached[1])

    def _left_of(self, tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        """The tools without those that cannot be offered; the same tuple where that is all of them."""
        for spec in tools:
            schema = schema_for_models(spec.schema)
            if isinstance(schema, str) and (spec.name, spec.schema) not in self._refused:
                self._leave_out(spec, schema)
        left = tuple(spec for spec in tools if (spec.name, spec.schema) not in self._refused)
        if self._most is not None and len(left) > self._most:
            left = left[: self._most]
        if len(left) > OPENAI_TAKES:
            self._remember("many", f"It is offered {len(left)} tools; OpenAI and others take {OPENAI_TAKES}: {FEWER}.")
        return tools if len(left) == len(tools) else left

    def _leave_out(self, spec: ToolSpec, reason: str) -> None:
        self._refused[spec.name, spec.schema] = reason
        remark = f"The tool {spec.name} is not offered to it: {reason}."
        self._remember(spec.name, remark)

    def _remember(self, about: str, remark: str) -> None:
        if self._remarks.get(about) != remark:
            self._remarks[about] = remark
            log.warning("models.%s (%s): %s", self._settings.name, self._settings.model, remark)

    def learns(self, refusal: str, tools: Sequence[ToolSpec]) -> bool:
        """Whether a refusal says which of these tools to leave out, so that a retry is worth it."""
        if not tools:
            return False
        self._known.clear()
        if unable_to_call(refusal) and self._settings.tool_calling == "auto" and not self.prompted:
            self.prompted = True
            how = 'Its tools go into the prompt, because it calls none itself: set tool_calling = "prompt" to say so.'
            self._remember("prompted", how)
            return True
        most = tool_limit(refusal, len(tools))
        if most is not None:
            self._most = most
            self._remember("most", f"It is offered the first {most} of {len(tools)} tools, and takes no more: {FEWER}.")
            return True
        refused_tools = suspects(refusal, tools)
        for spec in refused_tools:
            self._leave_out(spec, "its provider refused a request with this tool's schema")
        return bool(refused_tools)

    def without_written_calls(self, reply: ModelReply, tools: Sequence[ToolSpec]) -> ModelReply:
        """The reply; calls that the model wrote as text, which are not run, become a sentence that says so."""
        if reply.calls or not tools or not ("<" in reply.text or "[" in reply.text or reply.text.startswith("{")):
            return reply
        text, names = written_calls(reply.text, frozenset(spec.name for spec in tools))
        if not names:
            return reply
        self._remember("written", WRITTEN)
        note = f"[A call of {', '.join(dict.fromkeys(names))} was written as text, and not run.]"
        return replace(reply, text=f"{text}\n\n{note}".strip())


FEWER = "name fewer tool_servers for its channels, or allowed_tools of a server"

WRITTEN = (
    "It wrote a tool call as text, which was not run: start its server with the parser for this model's tool calls, "
    'or set tool_calling = "prompt".'
)
