"""The command `check`: looks at everything a bridge needs, really, and says how to mend what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio.to_thread
from rich.padding import Padding
from rich.text import Text

from bridge_mcp.assembly import WallClock
from bridge_mcp.cli.common import USUAL, Common, Json
from bridge_mcp.cli.output import console, print_json
from bridge_mcp.cli.run import loop
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.visible import visible

__all__ = ["check"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is fine, and what there is to say."""

    what: str
    fine: bool
    told: str


def check(*, json: Json = False, common: Common = USUAL) -> int:
    """Check configuration, secrets, store, models and tool servers. Exit code 1 if anything is wrong."""
    try:
        config = common.prepare("error")
    except BridgeError as exc:
        return shown([Finding("settings", False, str(exc))], json)
    return loop(run, config, json)


async def run(config: Config, json: bool) -> int:
    """Look at everything; print each finding when it is known."""
    findings = [Finding("settings", True, config.where)]
    if not json:
        shown(findings, json)
    async for finding in look(config):
        findings.append(finding)
        if not json:
            shown([finding], json)
    if json:
        return shown(findings, json)
    return 0 if all(finding.fine for finding in findings) else 1


def shown(findings: list[Finding], json: bool) -> int:
    """Print findings; 1 if one is bad."""
    if json:
        print_json(findings)
    out = console()
    for finding in [] if json else findings:
        line = Text("✓ " if finding.fine else "✗ ", "green" if finding.fine else "bold red")
        line.append(f"{finding.what:<12} ", "bold")
        first, *rest = visible(finding.told, lines=True).split("\n")
        line.append(first, "default")
        out.print(line)
        for more in rest:
            out.print(Padding(Text(more.strip()), (0, 0, 0, 4)))
    return 0 if all(finding.fine for finding in findings) else 1


async def look(config: Config) -> AsyncIterator[Finding]:
    """All findings behind the settings themselves."""
    yield Finding("secrets", True, f"{len(config.secrets) or 'none'} known; logs show none of them")
    yield await store(config)
    yield channels(config)
    async for finding in telegram(config):
        yield finding
    async for finding in models(config):
        yield finding
    async for finding in tool_servers(config):
        yield finding


async def store(config: Config) -> Finding:
    """Whether the store opens, and which version it has."""
    from bridge_mcp.stores.sqlite import open_store
    from bridge_mcp.stores.sqlite.migrate import schema_version

    try:
        before = schema_version(config.store_path)
        await (await open_store(config.store_path, clock=WallClock())).close()
        after = schema_version(config.store_path)
    except BridgeError as exc:
        return Finding("store", False, str(exc))
    was = " (new)" if before is None else f" (was {before})" if before != after else ""
    return Finding("store", True, f"{config.store_path}, schema version {after}{was}")


def channels(config: Config) -> Finding:
    """Which channels there are."""
    told = ", ".join(f"{name} ({each.type})" for name, each in config.channels.items())
    return Finding("channels", True, told or "none")


async def telegram(config: Config) -> AsyncIterator[Finding]:
    """Whether Telegram knows each bot, and whether it is set up there as its channel wants it."""
    for name, each in config.channels.items():
        if each.telegram is None:
            continue
        from bridge_mcp.channels.telegram.probe import probe

        async for found in probe(each.telegram, WallClock()):
            yield Finding(f"channel {name}", found.fine, found.told)


async def models(config: Config) -> AsyncIterator[Finding]:
    """Whether every model can be found, as far as can be told without paying for an answer."""
    if not config.models:
        yield Finding("models", True, "none: MCP clients answer the chats")
        return
    from bridge_mcp.models.resolve import complaint

    for name, settings in config.models.items():
        wrong = await anyio.to_thread.run_sync(complaint, settings)
        yield Finding(f"model {name}", not wrong, wrong or settings.model)


async def tool_servers(config: Config) -> AsyncIterator[Finding]:
    """Whether every tool server can be connected: all of them are, for a moment, side by side."""
    from bridge_mcp.toolservers.box import NestedToolbox

    if not config.tool_servers:
        return
    longest = max(server.connect_timeout_s for server in config.tool_servers) + 2
    async with NestedToolbox(config.tool_servers, clock=WallClock()) as toolbox:
        await toolbox.ready(frozenset(server.name for server in config.tool_servers), longest)
        found = toolbox.status()
    for status in found:
        fine = status.state == "ready"
        told = f"connected, {status.tools} tools" if fine else status.error or f"still {status.state}"
        yield Finding(f"server {status.name}", fine, told)
