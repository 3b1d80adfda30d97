"""Telemetry by the config: loads what it takes only where it is on, and says what is missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from bridge_mcp.ports import Store
    from bridge_mcp.telemetry.otlp import Otlp

__all__ = ["recording", "span_lanes"]


@asynccontextmanager
async def recording(settings: TelemetrySettings | None, version: str) -> AsyncGenerator[Otlp | None]:
    """What records spans and metrics of this process, and sends the last of them at its end; None where it is off.

    Raises:
        ConfigError: the packages are not installed.
    """
    if settings is None:
        yield None
        return
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        raise ConfigError(
            "[telemetry] needs OpenTelemetry's packages, which are not installed.",
            fix="Install the bridge with its extra: mcp-chat-bridge[otel]. Or take the section out.",
        )
    from bridge_mcp.telemetry.otlp import Otlp

    otlp = Otlp(settings, version)
    otlp.take_over()
    try:
        yield otlp
    finally:
        await otlp.close()


def span_lanes(otlp: Otlp | None, store: Store) -> dict[str, Callable[[], Awaitable[None]]]:
    """The engine's lane that sends spans, where that is configured."""
    if otlp is None:
        return {}
    from bridge_mcp.telemetry.lane import SpanLane

    return {"Sending traces": SpanLane(store, otlp.export, contents=otlp.settings.contents).run}
