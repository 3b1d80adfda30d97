"""The command `status`: how the bridge is, at a glance."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import Hanging, ago, clock, console, grid, heading, print_json, state
from bridge_mcp.cli.texts import counted
from bridge_mcp.core.results import Status
from bridge_mcp.core.safe_text import visible
from bridge_mcp.service import OWNER

__all__ = ["status"]


def status(*, json: Json = False, common: Common = USUAL) -> int:
    """Show how the bridge is: engine, channels, tool servers, and what waits."""

    async def body(assembly: Assembly) -> None:
        found = await assembly.bridge.get_status(OWNER)
        if json:
            print_json(found)
        else:
            show(console(), assembly, found)

    return with_bridge(common, body, told=False)  # it stands among the warnings


def show(out: Console, assembly: Assembly, found: Status) -> None:
    """Print a status for people."""
    config = assembly.config
    engine = (
        f"process {found.engine_pid}, since {clock(found.engine_since)}{', SILENT' * (found.engine == 'silent')}"
        if found.engine_pid
        else Text(found.engine, "red" if found.engine == "none" else "yellow")
    )
    running = found.engine_pid is not None
    waiting = f"{counted(found.waiting_approvals, 'approval')}, {counted(found.queued_messages, 'message')}"
    out.print(Text.assemble((f"bridge-mcp {found.version}", "bold")))
    out.print(
        grid(
            [
                ("  engine", engine),
                *([("  last heard of", heard_of(found))] if found.engine_seen else []),
                ("  settings", visible(found.settings)),
                ("  store", visible(str(config.store_path))),
                ("  waiting", waiting),
                ("  models today", str(found.today)),
                ("  events", f"{found.event_cursor}"),
            ]
        )
    )
    out.print(heading("Channels"))
    out.print(
        grid(
            (
                f"  {c.name}",
                f"{c.type} ({visible(c.distribution)})" if c.distribution else c.type,
                f"answers: {c.responder}",
                state(c.state, now=running),
                ago(c.last_ok) if c.last_ok else "",
            )
            for c in found.channels
        )
    )
    if found.servers:
        out.print(heading("Tool servers"))
        out.print(
            grid(
                (f"  {s.name}", state(s.state, now=running), counted(s.tools, "tool"), restarts(s.restarts))
                for s in found.servers
            )
        )
    for warning in found.warnings:
        out.print(Hanging(Text("! ", "yellow"), Text(visible(warning), "yellow")))


def heard_of(found: Status) -> str:
    """When the engine last gave a sign of life, and last wrote."""
    wrote = f", last good write {ago(found.engine_wrote)}" if found.engine_wrote else ""
    return f"{ago(found.engine_seen)}{wrote}"


def restarts(count: int) -> str:
    return f"restarted {counted(count, 'time')}" if count else ""
