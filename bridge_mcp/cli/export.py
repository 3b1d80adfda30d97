"""The command `approvals export`: every call's life, for whoever checks from outside."""

from __future__ import annotations

import sys
import time

from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, JsonLines, with_bridge
from bridge_mcp.cli.output import clock, console, print_json
from bridge_mcp.cli.spans import seconds
from bridge_mcp.cli.texts import approvals as texts
from bridge_mcp.core.call_life import Life
from bridge_mcp.core.safe_text import visible
from bridge_mcp.service.call_export import MAX_CALLS, lives_since

__all__ = ["export"]


def export(*, since: str = "30d", json: JsonLines = False, common: Common = USUAL) -> int:
    """Show every call's life, the oldest first: who asked, who decided and by which path, what ran, what came of it.

    Those that needed nobody are among them. What tools answered stays in the logs: bridge-mcp log CONVERSATION.

    Parameters
    ----------
    since
        How far back: 30d, 12h, 90m.
    """

    async def body(assembly: Assembly) -> None:
        out, count = console(), 0
        async for life in lives_since(assembly.store, time.time() - seconds(since)):
            count += 1
            if json:
                print_json(life, indent=None)
            else:
                out.print(line_of(life))
        if count >= MAX_CALLS:
            sys.stderr.write(f"{texts.newest_only(count)}\n")
        if not count and not json:
            out.print(texts.NO_CALLS)

    return with_bridge(common, body)


def line_of(life: Life) -> Text:
    """One call in one line."""
    fields = {name: visible(str(value)) for name, value in life.items()}
    at = life["requested_at"]
    line = Text(f"{clock(at if isinstance(at, float) else 0.0)}  ", "dim")
    line.append(fields["tool"], "bold").append(f"  {texts.asked_by(fields['conversation'], fields['requested_by'])}")
    if life["verdict"]:
        via = fields["decided_via"] if life["decided_via"] else ""
        line.append(texts.verdict(fields["verdict"], by=fields["decided_by"], via=via))
    elif life["cleared_by"]:
        line.append(texts.cleared(fields["cleared_by"]))
    return line.append(fields["outcome"] or (texts.RUNS if life["started_at"] else texts.WAITS))
