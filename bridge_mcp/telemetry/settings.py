"""The settings of `[telemetry]`, as a frozen value."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["TelemetrySettings"]


class TelemetrySettings(Struct, frozen=True):
    """Where traces and metrics go, and what is in them."""

    endpoint: str
    """The base URL of a collector that takes OTLP over HTTP; `/v1/traces` and `/v1/metrics` are below it."""
    service: str = "bridge-mcp"
    contents: bool = False
    """Whether spans carry what was said, asked for and answered."""
    sample: float = 1.0
    """The share of turns that are traced, of those that no client's trace goes through."""
