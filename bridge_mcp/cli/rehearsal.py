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
        made, found = await looked_at(assembly, since, limit)
        if json:
            rows = [
                {"conversation": e.conversation, "call": e.record.id, "tool": e.record.tool, "asked": e.asked,
                 "now": e.now, "because": e.because} for e in made
            ]  # fmt: skip
            print_json({"calls": rows, "suggestions": found})
            return
        show_rehearsal(made)
        show_suggestions(found)

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
        _, found = await looked_at(assembly, since, limit)
        if json:
            print_json(found)
        else:
            show_suggestions(found)

    return with_bridge(common, body)


async def looked_at(assembly: Assembly, since: str, limit: int) -> tuple[list[Rehearsed], tuple[Suggestion, ...]]:
    """The calls under the settings of now, and the grants that would have saved prompts."""
    if not 1 <= limit <= MAX_CALLS:
        raise BadInput(f"--limit is between 1 and {MAX_CALLS:,}.")
    now = time.time()
    calls = await calls_since(assembly.store, now - seconds(since), limit)
    made = await rehearse_calls(assembly.store, assembly.config.rules, confirmations(assembly.config), calls, now)
    asks = {(each.conversation, each.record.id) for each in made if each.now == "ask" and each.quorum == 1}
    tools = {each.record.tool: each.spec for each in made if each.spec is not None and not each.spec.changed}
    return made, suggestions(asked_calls(calls, asks), tools)


def confirmations(config: Config) -> Callable[[str, str], Confirmation | None]:
    """What the sections of tool servers say of their tools; None where the config has no such server."""
    servers = {server.name: server for server in config.tool_servers}

    def said(server: str, tool: str) -> Confirmation | None:
        found = servers.get(server)
        return None if found is None else found.confirmation_of(tool)

    return said


def show_rehearsal(made: Sequence[Rehearsed]) -> None:
    """The calls by tool and by what would become of them."""
    out = console()
    if not made:
        out.print(texts.NO_CALLS_SINCE)
        return
    counts = Counter((each.record.tool, each.now, each.because) for each in made)
    before = Counter((each.record.tool, each.now, each.because) for each in made if each.asked)
    rows = [
        (str(count), visible(key[0]), texts.WOULD[key[1]], texts.asked_then(before[key]), visible(key[2])[:100])
        for key, count in counts.most_common(SHOWN)
    ]
    out.print(grid(rows))
    totals = Counter(each.now for each in made)
    told = ", ".join(f"{totals[now]} {words}" for now, words in texts.WOULD.items() if totals[now])
    out.print(texts.rehearsed(len(made), counts=told, asked=sum(each.asked for each in made)))


def show_suggestions(found: Sequence[Suggestion]) -> None:
    """Each grant with the prompts that it would have saved."""
    out = console()
    grants = [each for each in found if not each.why_not]
    for each in grants[:SHOWN]:
        options = " ".join(
            f"--remember-argument {shlex.quote(f'{name}={pattern}')}" for name, pattern in each.arguments
        )
        of_client = each.place.startswith("calls/")
        where = texts.FOR_THAT_CLIENT if of_client else texts.inside(visible(each.place))
        tool, shown = visible(each.tool), visible(options)
        out.print(texts.suggestion(tool, where=where, saves=each.saves, of=each.calls, options=shown))
    for each in [each for each in found if each.why_not][:SHOWN]:
        tool, place = visible(each.tool), visible(each.place)
        out.print(texts.no_grant(tool, place=place, approved=each.calls, why=each.why_not))
    if grants:
        out.print(texts.TO_GRANT)
    elif not found:
        out.print(texts.NOTHING_TO_GRANT)
