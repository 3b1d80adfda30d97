"""The sections of bridge.toml about what is seen of the bridge from outside: its log, and its telemetry."""

from __future__ import annotations

from typing import Literal

from bridge_mcp.config.schema_approvals import Section

__all__ = ["Log"]


class Log(Section):
    """[log]: how the log on standard error is written."""

    format: Literal["text", "json"] = "text"
    """`json`: each line is an object with `time`, `level`, `logger` and `message`; `--log-json` says the same."""
