"""What every command does first and last: settings, logging, an event loop, and errors as one line."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from bridge_mcp.cli.texts import ERROR, NOTE, config_passed_over
from bridge_mcp.config import Config, examine
from bridge_mcp.core.errors import BadInput, BridgeError, ConfigError
from bridge_mcp.core.face_words import AS_COMMANDS, in_words
from bridge_mcp.core.safe_text import visible
from bridge_mcp.paths import make_private
from bridge_mcp.redaction import LEVELS, Redactor, log_as_json, set_up_logging

__all__ = ["examined", "located", "loop", "not_taken", "prepare", "report"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def prepare(path: str | Path | None, level: str | None, usual: str = "info", *, json: bool = False) -> Config:
    """The settings, with logging on as they want it: --log-level, BRIDGE_MCP_LOG, or `usual`; --log-json, or [log].

    Raises:
        BridgeError: the settings are off, or there is no such level.
    """
    config, wrong = examined(path, level, usual, json=json)
    if wrong is not None:
        raise wrong
    make_private(config.state_dir)
    if config.passed_over and logging.getLogger().level < logging.ERROR:
        sys.stderr.write(f"{NOTE}{not_taken(config.passed_over)}\n")
    return config


def examined(
    path: str | Path | None, level: str | None, usual: str = "info", *, json: bool = False
) -> tuple[Config, ConfigError | None]:
    """The settings as far as they can be read, and what is wrong with them, with logging on.

    Raises:
        BridgeError: nothing can be read, or there is no such level.
    """
    level_name = (level or os.environ.get("BRIDGE_MCP_LOG") or usual).lower()
    if level_name not in LEVELS:
        raise BadInput(f"There is no log level '{level_name}'.", fix=f"The levels are: {', '.join(LEVELS)}.")
    redactor = Redactor()
    set_up_logging(level_name, redactor)
    if json:
        log_as_json(redactor)
    config, wrong = examine(path)
    redactor.learn(config.secrets)
    if config.log_json:
        log_as_json(redactor)
    return config, wrong


def located(config: Config) -> str:
    """The URL of the store, not by way of a pooler.

    Raises:
        ConfigError: nobody knows where it is.
    """
    if config.store.lacking:
        raise ConfigError(f"The store cannot be found: {config.store.lacking}", fix="See [store] in bridge.toml.")
    return config.store.direct


def not_taken(path: Path) -> str:
    """Why a file that lies in the working folder was not read, and what would have it read."""
    return config_passed_over(visible(str(path)), visible(shlex.quote(str(path))))


def loop(body: Callable[[*Ts], Awaitable[T]], *arguments: *Ts, serving: bool = False) -> T:
    """Run a coroutine function to its end; what serves for long runs on uvloop, where there is one."""
    import anyio

    return anyio.run(body, *arguments, backend_options={"use_uvloop": serving and find_spec("uvloop") is not None})


def report(error: BridgeError) -> int:
    """Say on standard error what went wrong, in one line where it is one thing; the exit code."""
    sys.stderr.write(f"{ERROR}{visible(in_words(error, AS_COMMANDS), lines=True)}\n")
    return 1
