"""The commands `approvals rehearse` and `approvals suggest`: what there would be to ask, and what need not be asked."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import console, grid, print_json
from bridge_mcp.cli.spans import seconds
from bridge_mcp.cli.texts import approvals as texts
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.suggestions import Suggestion, suggestions
from bridge_mcp.core.tools import Confirmation
from bridge_mcp.service.rehearsal import Rehearsed, asked_calls, calls_since, rehearse_calls

__all__ = ["rehearse", "suggest"]

MAX_CALLS = 100_000
SHOWN = 50


def rehearse(*, since: str = "30d", limit: int = 10_000, json: Json = False, common: Common = USUAL) -> int:
    """Replay the calls of the logs under the settings as they are now: what would run, ask people, or be refused.

    Nothing runs, and nothing is written; no engine is needed. The tools are those that were listed last.

    Parameters
    ----------
    since
        How far back: 30d, 12h, 90m.
    limit
        How many calls at most, the newest first.
    """

    async def body(assembly: Assembly) -> None:
        rehearsed, suggested = await looked_at(assembly, since, limit)
        if json:
            rows = [
                {"conversation": e.conversation, "call": e.record.id, "tool": e.record.tool, "asked": e.asked,
                 "now": e.now, "because": e.because} for e in rehearsed
            ]  # fmt: skip
            print_json({"calls": rows, "suggestions": suggested})
            return
        show_rehearsal(rehearsed)
        show_suggestions(suggested)

    return with_bridge(common, body)


def suggest(*, since: str = "30d", limit: int = 10_000, json: Json = False, common: Common = USUAL) -> int:
    """Name grants for calls that people always approved: never broader than what was seen.

    Nothing is granted. A grant is made when such a call is approved with these options.

    Parameters
    ----------
    since
        How far back: 30d, 12h, 90m.
    limit
        How many calls at most, the newest first.
    """

    async def body(assembly: Assembly) -> None:
        _, suggested = await looked_at(assembly, since, limit)
        if json:
            print_json(suggested)
        else:
            show_suggestions(suggested)

    return with_bridge(common, body)


async def looked_at(assembly: Assembly, since: str, limit: int) -> tuple[list[Rehearsed], tuple[Suggestion, ...]]:
    """The calls under the settings of now, and the grants that would have saved prompts."""
    if not 1 <= limit <= MAX_CALLS:
        raise BadInput(f"--limit is between 1 and {MAX_CALLS:,}.")
    now = time.time()
    calls = await calls_since(assembly.store, now - seconds(since), limit)
    rehearsed = await rehearse_calls(assembly.store, assembly.config.rules, confirmations(assembly.config), calls, now)
    asks = {(call.conversation, call.record.id) for call in rehearsed if call.now == "ask" and call.quorum == 1}
    tools = {call.record.tool: call.spec for call in rehearsed if call.spec is not None and not call.spec.changed}
    return rehearsed, suggestions(asked_calls(calls, asks), tools)


def confirmations(config: Config) -> Callable[[str, str], Confirmation | None]:
    """What the sections of tool servers say of their tools; None where the config has no such server."""
    servers = {server.name: server for server in config.tool_servers}

    def said(server: str, tool: str) -> Confirmation | None:
        section = servers.get(server)
        return None if section is None else section.confirmation_of(tool)

    return said


def show_rehearsal(rehearsed: Sequence[Rehearsed]) -> None:
    """The calls by tool and by what would become of them."""
    out = console()
    if not rehearsed:
        out.print(texts.NO_CALLS_SINCE)
        return
    counts = Counter((call.record.tool, call.now, call.because) for call in rehearsed)
    before = Counter((call.record.tool, call.now, call.because) for call in rehearsed if call.asked)
    rows = [
        (str(count), visible(key[0]), texts.WOULD[key[1]], texts.asked_then(before[key]), visible(key[2])[:100])
        for key, count in counts.most_common(SHOWN)
    ]
    out.print(grid(rows))
    totals = Counter(call.now for call in rehearsed)
    counts_text = ", ".join(f"{totals[now]} {words}" for now, words in texts.WOULD.items() if totals[now])
    out.print(texts.rehearsed(len(rehearsed), counts=counts_text, asked=sum(call.asked for call in rehearsed)))


def show_suggestions(suggested: Sequence[Suggestion]) -> None:
    """Each grant with the prompts that it would have saved."""
    out = console()
    grants = [suggestion for suggestion in suggested if not suggestion.why_not]
    for grant in grants[:SHOWN]:
        options = " ".join(
            f"--remember-argument {shlex.quote(f'{name}={pattern}')}" for name, pattern in grant.arguments
        )
        of_client = grant.place.startswith("calls/")
        where = texts.FOR_THAT_CLIENT if of_client else texts.inside(visible(grant.place))
        tool, quoted = visible(grant.tool), visible(options)
        out.print(texts.suggestion(tool, where=where, saves=grant.saves, total=grant.calls, options=quoted))
    for suggestion in [suggestion for suggestion in suggested if suggestion.why_not][:SHOWN]:
        tool, place = visible(suggestion.tool), visible(suggestion.place)
        out.print(texts.no_grant(tool, place=place, approved=suggestion.calls, reason=suggestion.why_not))
    if grants:
        out.print(texts.TO_GRANT)
    elif not suggested:
        out.print(texts.NOTHING_TO_GRANT)
