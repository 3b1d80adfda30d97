"""All configured models behind one `Model`: finds the adapter and the fallbacks of a request's model by name.

A fallback is another section, with all its settings, or a model. A model at the same provider (or the same `base_url`)
uses the section's key and params; one at another provider gets neither: litellm then looks for that provider's usual
environment variable. Knows every adapter, and imports one when it is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from bridge_mcp.core.chat_texts import FOR_THE_OWNER
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.roles import order_messages
from bridge_mcp.core.token_estimate import tools_tokens
from bridge_mcp.core.window import Window, fit_smaller_window
from bridge_mcp.models.capabilities import Adapter, CapabilityAdapter
from bridge_mcp.models.files import FileLoader
from bridge_mcp.models.health import HealthRecord
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.settings import SCRIPTED, ModelSettings
from bridge_mcp.ports import Capacity, ModelHealth, ModelReply, ModelRequest, OnText

__all__ = ["Adapter", "Models", "make_adapter"]

log = logging.getLogger(__name__)


class Models:
    """The `Model` of the bridge, by `[models.NAME]`; `now` returns epoch seconds.

    `litellm` is a process that the caller ends; without it one is started on demand, and ended by `close`.

    Raises:
        ConfigError: a script has an invalid rule, or `params` a key that the bridge sets itself.
    """

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        now: Callable[[], float] = time.time,
        litellm: LitellmProcess | None = None,
    ) -> None:
        self._litellm = litellm or LitellmProcess()
        self._litellm_is_own = litellm is None
        self._health_record = HealthRecord(now)
        self._settings = dict(settings)
        self._adapters: dict[tuple[str, str], CapabilityAdapter] = {}
        self._loader = FileLoader()
        for section in self._settings.values():
            if section.model == SCRIPTED:
                # Scripts are read now, so that a mistake in one is reported before anything starts.
                self._adapter(section)

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """One attempt: the model asked for, then its fallbacks in order. See `ports.Model`."""
        section = self._settings.get(request.model)
        if section is None:
            known = ", ".join(sorted(self._settings)) or "none"
            raise ModelFailed(
                f"There is no model '{request.model}': bridge.toml has no [models.{request.model}].",
                fix=f"Add it, or change 'model' of the channel. The models are: {known}.",
                permanent=True,
                for_chat=f"No model is set up here. {FOR_THE_OWNER}",
            )
        failures: list[ModelFailed] = []
        for candidate in self._candidates(section) if request.fallbacks else (section,):
            if failures:
                if on_text is not None:
                    on_text("")
                log.warning("%s: trying %s next: %s", request.conversation, candidate.model, failures[-1])
            try:
                check_complete(candidate)
                candidate_request = request if candidate is section else await self._for_fallback(request, candidate)
                reply = await self._adapter(candidate).reply(candidate_request, on_text)
            except ModelFailed as exc:
                self._health_record.failed(candidate, exc)
                failures.append(exc)
            else:
                self._health_record.answered(candidate, section)
                return reply
        raise failures[0] if len(failures) == 1 else all_failed(section, failures)

    async def capacity(self, model: str) -> Capacity:
        """The capacity of a section's model; see `ports.Model`."""
        section = self._settings.get(model)
        return Capacity() if section is None else await self._adapter(section).capacity()

    async def _for_fallback(self, request: ModelRequest, candidate: ModelSettings) -> ModelRequest:
        """The request without its oldest turns, if it does not fit into the fallback's known window."""
        capacity = await self._adapter(candidate).capacity()
        if capacity.context_tokens is None:
            return request
        room = Window(capacity.context_tokens, candidate.reserve_tokens).room / request.scale
        return replace(
            request, messages=order_messages(fit_smaller_window(request.messages, room - tools_tokens(request.tools)))
        )

    @property
    def litellm(self) -> LitellmProcess:
        """The process of litellm, for what else goes through it; it ends with the models."""
        return self._litellm

    def health(self) -> tuple[ModelHealth, ...]:
        """The health of the models, by their last call."""
        healths: list[ModelHealth] = []
        for health in self._health_record.health():
            adapter = self._adapters.get((health.name, health.model))
            remark = adapter.remark if adapter is not None else ""
            healths.append(replace(health, remark=remark) if remark else health)
        return tuple(healths)

    async def warm(self) -> None:
        """Load what the configured models need; takes seconds, off the event loop. `reply` raises a failure again."""
        for section in self._settings.values():
            for candidate in self._candidates(section):
                try:
                    check_complete(candidate)
                    await self._adapter(candidate).warm()
                except ModelFailed as exc:
                    self._health_record.failed(candidate, exc)
                    log.error("%s", exc)

    async def close(self) -> None:
        """Close every adapter, and end litellm's process."""
        adapters, self._adapters = self._adapters, {}
        for adapter in adapters.values():
            await adapter.close()
        if self._litellm_is_own:
            await self._litellm.close()

    def _candidates(self, section: ModelSettings) -> Iterator[ModelSettings]:
        """The section itself and its fallbacks, in the order in which they are tried."""
        yield section
        for fallback in section.fallbacks:
            yield self._settings.get(fallback) or fallback_settings(section, fallback)

    def _adapter(self, settings: ModelSettings) -> CapabilityAdapter:
        key = (settings.name, settings.model)
        if key not in self._adapters:
            self._adapters[key] = CapabilityAdapter(settings, make_adapter(settings, self._litellm), self._loader)
        return self._adapters[key]


def check_complete(settings: ModelSettings) -> None:
    """Raise if a model lacks a setting (a key).

    Raises:
        ModelFailed: it does, and only a restart of the bridge mends that.
    """
    if settings.lacking:
        raise ModelFailed(
            f"models.{settings.name} cannot be asked. {settings.lacking}",
            permanent=True,
            for_chat=f"The model is not set up yet. {FOR_THE_OWNER}",
        )


def make_adapter(settings: ModelSettings, litellm: LitellmProcess) -> Adapter:
    """The adapter of a section: `scripted`, or by `via`; `auto` is an endpoint if there is a `base_url`, else litellm.

    Raises:
        ConfigError: see `Models`.
    """
    if settings.model == SCRIPTED:
        from bridge_mcp.models.script import read_script
        from bridge_mcp.models.scripted import ScriptedModel

        return ScriptedModel(read_script(settings.script_path) if settings.script_path else None)
    if settings.via == "openai" or (settings.via == "auto" and settings.base_url):
        from bridge_mcp.models.openai import OpenAIModel

        return OpenAIModel(settings)
    from bridge_mcp.models.litellm import LitellmModel

    return LitellmModel(settings, litellm)


def fallback_settings(section: ModelSettings, model: str) -> ModelSettings:
    """The settings of a fallback that is a model and not a section."""
    provider, other = provider_of(section.model), provider_of(model)
    same = other in ("", "openai", provider) if section.base_url else other != "" and other == provider
    if same:
        return replace(section, model=model, fallbacks=(), prices=None, context_tokens=None)
    return ModelSettings(
        section.name, model, timeout_s=section.timeout_s, first_token_s=section.first_token_s, stream=section.stream
    )


def provider_of(model: str) -> str:
    """The part of a model's name before its first slash."""
    return model.partition("/")[0] if "/" in model else ""


def all_failed(section: ModelSettings, failures: Sequence[ModelFailed]) -> ModelFailed:
    """One error for a model and all its fallbacks. A retry helps if it helps with one of them."""
    numbered = " ".join(f"({number}) {failure}" for number, failure in enumerate(failures, 1))
    waits = [failure.retry_after_s for failure in failures if not failure.permanent]
    known_waits = [wait for wait in waits if wait is not None]
    return ModelFailed(
        f"models.{section.name} and its fallbacks all failed. {numbered}",
        permanent=not waits,
        retry_after_s=min(known_waits) if known_waits and len(known_waits) == len(waits) else None,
        for_chat=failures[0].for_chat,
        kind=failures[0].kind,
    )
