"""The sections of bridge.toml about what is seen of the bridge from outside: its log, and its telemetry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge_mcp.config.schema_approvals import Section, Text

__all__ = ["Log", "Telemetry"]


class Log(Section):
    """[log]: how the log on standard error is written."""

    format: Literal["text", "json"] = "text"
    """`json`: each line is an object with `time`, `level`, `logger` and `message`; `--log-json` says the same."""


class Telemetry(Section):
    """[telemetry]: traces and metrics by OpenTelemetry, sent by OTLP over HTTP; needs the extra `otel`."""

    endpoint: Text | None = None
    """The collector's base URL, such as `http://127.0.0.1:4318`; without it nothing is recorded. What else is needed,
    such as headers, is in the variables that OpenTelemetry names (`OTEL_EXPORTER_OTLP_HEADERS`)."""
    service: Text = "bridge-mcp"
    """The `service.name` of all of it."""
    contents: bool = False
    """Whether spans carry what people and models said, and arguments and results of tools: whoever reads traces reads
    chats then."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """The share of turns that are traced; in a client's trace, it decides as well."""
