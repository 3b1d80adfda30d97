"""Adapts a request to its model's capabilities: tools as text if it cannot call them, files as far as it sees them.

Knows adapters by their protocol alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec.structs import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.file_support import FileAcceptance, with_refusal_note
from bridge_mcp.models.files import FileLoader, FileView
from bridge_mcp.models.finish_reasons import mark
from bridge_mcp.models.model_info import UNKNOWN, ModelInfo
from bridge_mcp.models.offered_tools import OfferedTools
from bridge_mcp.models.refusals import (
    WantedField,
    about_roles,
    in_turns,
    wanted_field,
    with_placeholder_fields,
    without_provider_fields,
)
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.text_tool_calls import in_words, out_of_words, without_calls
from bridge_mcp.models.thoughts import DraftFilter
from bridge_mcp.ports import Capacity, ModelReply, ModelRequest, OnText

__all__ = ["Adapter", "CapabilityAdapter"]

MAX_LESSONS = 3
"""How often one reply is retried with a changed request after a refusal (a 400 that names what it cannot take)."""


class Adapter(Protocol):
    """One model, with connections of its own."""

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        """See `ports.Model`; `views`: the messages' files as the model sees them, by ref."""
        ...

    async def known(self) -> ModelInfo:
        """The model's known capabilities, once it is loaded."""
        ...

    async def warm(self) -> None:
        """Load now what the first call would have to wait for."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class CapabilityAdapter:
    """Wraps an adapter: its requests hold only what the model accepts, and calls written as text become calls."""

    def __init__(self, settings: ModelSettings, adapter: Adapter, loader: FileLoader) -> None:
        self.settings = settings
        self._adapter = adapter
        self._loader = loader
        self._drafts = DraftFilter()
        self._acceptance = FileAcceptance()
        self._tools = OfferedTools(settings)
        self._wanted_fields: set[WantedField] = set()
        """The provider fields (reasoning, signature) that it requires on other models' answers; see `refusals`."""
        self._in_turns = False
        """Whether its server refuses a user message directly after tool results."""

    @property
    def remark(self) -> str:
        """A warning for the owner about a model that works; "" for none."""
        return self._tools.remark

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """See `ports.Model`. After a refusal that says what to change, it asks again, at most `MAX_LESSONS` times."""
        info = await self._adapter.known()
        can = capacity(self.settings, info)
        views = await self._loader.views(request, sees=can.images, pdfs=can.pdfs, refused=self._acceptance.refused)
        suspects: tuple[str, ...] = ()
        drafts = self._drafts.of(on_text) if on_text is not None else None
        for lessons in range(MAX_LESSONS + 2):
            offered = self._tools.offered(self._as_wanted(request))
            prompted = self._tools.prompted or in_prompt(self.settings, info)
            try:
                reply = await self._ask(offered, views, drafts, prompted)
            except ModelFailed as exc:
                if lessons < MAX_LESSONS and self._learns(exc, offered):
                    continue
                if suspects or not (suspects := self._acceptance.suspects(exc, views)):
                    raise
                views = self._acceptance.without(views, suspects)
            else:
                self._acceptance.learn(views, suspects)
                answer = with_cut_mark(reply if prompted else self._tools.without_written_calls(reply, offered.tools))
                return with_refusal_note(answer, request, suspects)
        raise AssertionError("the last lesson is raised")

    async def _ask(
        self, request: ModelRequest, views: Mapping[str, FileView], on_text: OnText | None, prompted: bool
    ) -> ModelReply:
        if not prompted:
            return await self._adapter.reply(request, on_text, views)
        tools = request.tools
        filtered = without_calls(on_text, tools) if on_text is not None else None
        return out_of_words(await self._adapter.reply(in_words(request), filtered, views), tools)

    def _as_wanted(self, request: ModelRequest) -> ModelRequest:
        messages = request.messages
        if "nothing" in self._wanted_fields:
            messages = without_provider_fields(messages)
        for field in self._wanted_fields - {"nothing"}:
            messages = with_placeholder_fields(messages, field, self.settings.identity)
        if self._in_turns:
            messages = in_turns(messages)
        return request if messages is request.messages else replace(request, messages=messages)

    def _learns(self, failure: ModelFailed, request: ModelRequest) -> bool:
        """Whether a refusal says what to change, and that was not tried yet."""
        if failure.kind == "bad_tools":
            return self._tools.learns(str(failure), request.tools)
        if failure.kind != "bad_request":
            return False
        if about_roles(str(failure)) and not self._in_turns:
            self._in_turns = True
            return True
        sent = any(message.kept_for == self.settings.identity for message in request.messages)
        field = wanted_field(str(failure), sent=sent)
        if not field or field in self._wanted_fields:
            return False
        self._wanted_fields.add(field)
        return True

    async def capacity(self) -> Capacity:
        """The model's capacity; if it cannot be loaded, as its section says."""
        try:
            info = await self._adapter.known()
        except ModelFailed:
            info = UNKNOWN
        return capacity(self.settings, info)

    async def warm(self) -> None:
        """Load now what the first call would have to wait for."""
        await self._adapter.warm()

    async def close(self) -> None:
        """Close its connections."""
        await self._adapter.close()


def with_cut_mark(reply: ModelReply) -> ModelReply:
    """The reply, with a mark behind a text that was cut off, for people and for the model."""
    cut_mark = mark(reply.finish) if not reply.calls else ""
    return replace(reply, text=f"{reply.text.rstrip()}\n\n{cut_mark}") if cut_mark else reply


def capacity(settings: ModelSettings, info: ModelInfo) -> Capacity:
    """A model's capacity: as its section says, else as litellm's map says."""
    return Capacity(
        settings.context_tokens or info.reads,
        info.sees is True if settings.vision is None else settings.vision,
        info.pdfs is True if settings.pdf is None else settings.pdf,
    )


def in_prompt(settings: ModelSettings, info: ModelInfo) -> bool:
    """Whether tools go into the prompt: as its section says, else if the model is known not to call tools."""
    if settings.tool_calling == "auto":
        return info.calls_tools is False
    return settings.tool_calling == "prompt"
