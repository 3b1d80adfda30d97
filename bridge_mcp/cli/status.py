"""The command `status`: how the bridge is, at a glance."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import Hanging, ago, clock, console, grid, heading, print_json, state
from bridge_mcp.cli.texts import checks as texts
from bridge_mcp.cli.texts.databases import WORKERS
from bridge_mcp.cli.workers_shown import queue_line, worker_line
from bridge_mcp.core.results import Status
from bridge_mcp.core.safe_text import visible
from bridge_mcp.service import OWNER

__all__ = ["status"]


def status(*, json: Json = False, common: Common = USUAL) -> int:
    """Show how the bridge is: engine, channels, tool servers, and what waits."""

    async def body(assembly: Assembly) -> None:
        current = await assembly.bridge.get_status(OWNER)
        if json:
            print_json(current)
        else:
            show(console(), assembly, current)

    return with_bridge(common, body, warns=False)  # it stands among the warnings


def show(out: Console, assembly: Assembly, status: Status) -> None:
    """Print a status for people."""
    config = assembly.config
    engine = (
        texts.engine(status.engine_pid, clock(status.engine_since), silent=status.engine == "silent")
        if status.engine_pid
        else Text(status.engine, "red" if status.engine == "none" else "yellow")
    )
    running = status.engine_pid is not None
    out.print(heading(texts.version(status.version)))
    rows = [
        (texts.ENGINE, engine),
        *([(texts.LAST_HEARD_OF, heard_of(status))] if status.engine_seen else []),
        (texts.SETTINGS, visible(status.settings)),
        (texts.STORE, visible(config.store.where)),
        (texts.WAITING, texts.waiting(status.waiting_approvals, status.queued_messages)),
        (texts.MODELS_TODAY, str(status.today)),
        (texts.EVENTS, f"{status.event_cursor}"),
    ]
    out.print(grid((f"  {name}", value) for name, value in rows))
    if status.workers:
        out.print(heading(WORKERS))
        for worker in status.workers:
            out.print(Hanging(Text("  "), Text(worker_line(worker), "yellow" if worker.refuses else "")))
        out.print(Hanging(Text("  "), Text(queue_line(status.queue))))
    out.print(heading(texts.CHANNELS))
    out.print(
        grid(
            (
                f"  {c.name}",
                f"{c.type} ({visible(c.distribution)})" if c.distribution else c.type,
                texts.responder(c.responder),
                state(c.state, now=running),
                ago(c.last_ok) if c.last_ok else "",
            )
            for c in status.channels
        )
    )
    if status.servers:
        out.print(heading(texts.TOOL_SERVERS))
        out.print(
            grid(
                (f"  {s.name}", state(s.state, now=running), texts.tools(s.tools), texts.restarts(s.restarts))
                for s in status.servers
            )
        )
    for warning in status.warnings:
        out.print(Hanging(Text("! ", "yellow"), Text(visible(warning), "yellow")))


def heard_of(status: Status) -> str:
    """When the engine last gave a sign of life, and last wrote."""
    wrote = texts.engine_wrote(ago(status.engine_wrote)) if status.engine_wrote else ""
    return f"{ago(status.engine_seen)}{wrote}"
