"""Lists the environment variables that a configuration reads, which a host has to pass on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

__all__ = ["variables_of"]

BY_THEMSELVES = ("BRIDGE_MCP_MODEL", "TELEGRAM_BOT_TOKEN")
"""Variables that the bridge reads if they are set, without being named in the configuration."""


def variables_of(source: Path | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that a configuration names, and those read without being named, in order, without repeats.

    Of a file that cannot be read nothing is known: `check` tells what is wrong with it.
    """
    try:
        body = tomllib.loads(source.read_text("utf-8-sig")) if source else {}
    except (OSError, ValueError, RecursionError):
        body = {}
    usual = [] if source else [name for name in BY_THEMSELVES if env.get(name)]
    return tuple(dict.fromkeys([*usual, *named(body)]))


def named(body: Mapping[str, Any]) -> Iterator[str]:
    """The names in a table and all below it: `…_env`, the values of `headers_env`, and `env_pass`."""
    for key, value in body.items():
        if key == "headers_env" and isinstance(value, dict):
            yield from (str(item) for item in cast("dict[str, Any]", value).values())
        elif key == "env_pass" and isinstance(value, list):
            yield from (str(item) for item in cast("list[Any]", value))
        elif key.endswith("_env") and isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from named(cast("dict[str, Any]", value))
