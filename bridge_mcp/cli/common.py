"""What the commands share: the options every command takes, and a bridge to work with."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from msgspec.structs import replace

from bridge_mcp import service
from bridge_mcp.assembly import Assembly, EngineWish, open_bridge
from bridge_mcp.cli.run import examined, loop, prepare
from bridge_mcp.cli.texts import NOTE
from bridge_mcp.config import Config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.safe_text import visible

__all__ = ["OWNER", "USUAL", "Common", "Json", "JsonLines", "LogLevel", "engine_runs", "with_bridge"]

LogLevel = Literal["debug", "info", "warning", "error"]
JsonLines = Annotated[
    bool, Parameter(name=["--json", "--jsonl"], help="Print JSON, for programs: an object on each line.")
]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON, for programs.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    config: Annotated[str | None, Parameter(help="The configuration file.")] = None
    log_level: Annotated[LogLevel | None, Parameter(help="What goes to standard error; else BRIDGE_MCP_LOG.")] = None
    log_json: Annotated[bool, Parameter(negative=(), help="Log lines are JSON objects.")] = False

    def prepare(self, usual: LogLevel = "warning") -> Config:
        """The settings, with logging on."""
        return prepare(self.config, self.log_level, usual, json=self.log_json)

    def examine(self, usual: LogLevel = "warning") -> tuple[Config, ConfigError | None]:
        """The settings as far as they can be read, and what is wrong with them, with logging on."""
        return examined(self.config, self.log_level, usual, json=self.log_json)


OWNER = replace(service.OWNER, via="cli")
"""Whoever may start commands here."""

USUAL = Common()
"""No option given."""


def with_bridge(
    common: Common,
    body: Callable[[Assembly], Awaitable[int | None]],
    *,
    engine: EngineWish = "never",
    warns: bool = True,
) -> int:
    """Run `body` with an open bridge; its exit code, 0 for None.

    Where the engine runs other settings than the file that was read here, a line says so, unless `warns` is false.
    """

    async def run(config: Config) -> int:
        async with open_bridge(config, engine=engine) as assembly:
            if config.source and warns and (differs := await assembly.bridge.other_settings()):
                sys.stderr.write(f"{NOTE}{visible(differs)}\n")
            return await body(assembly) or 0

    return loop(run, common.prepare())


def engine_runs(assembly: Assembly) -> bool:
    """Whether any process is the engine just now."""
    return assembly.bridge.engine_runs()
