"""How the bridge is: health with each warning's fix, channels, tool servers and what changed in them, events, usage."""

from __future__ import annotations

import difflib
import json
from collections.abc import AsyncIterator, Sequence

from msgspec import Struct
from msgspec.json import format as json_format
from starlette.responses import Response

from bridge_mcp.console.following import followed, start_of
from bridge_mcp.console.plots import COLOURS, stacks
from bridge_mcp.console.streams import event
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.events import EVENT_TYPES, EVENTS, Event
from bridge_mcp.core.results import ToolChange
from bridge_mcp.core.safe_text import pretty
from bridge_mcp.core.tools import JSON, ToolSpec

__all__ = ["PAGES"]

DAYS = 30
"""Days of the usage page."""
DIFFED = 2_000
"""Lines of each side of a diff."""
RECENT = 50
"""Events that are there when the page opens."""


async def health(visit: Visit) -> Response:
    """What is wrong, with what helps, and how all parts are. The page asks for its own body again and again."""
    status = await visit.bridge.get_status(visit.who)
    warnings = list(zip(status.warnings, status.fixes, strict=True))
    if visit.partial:
        return visit.part("health-body.html", status=status, warnings=warnings)
    return await visit.page("health.html", status=status, warnings=warnings)


async def retry(visit: Visit) -> Response:
    """Run a channel afresh."""
    await visit.bridge.retry_channel(visit.who, visit.form.get("subject"))
    return visit.go("/health")


async def reload(visit: Visit) -> Response:
    """Connect the tool servers again."""
    await visit.bridge.reload_tool_servers(visit.who)
    return visit.go("/health")


async def end_subscription(visit: Visit) -> Response:
    """End a subscription whose callback fails."""
    await visit.bridge.end_subscription(visit.who, visit.form.get("subject"))
    return visit.go("/health")


async def channels(visit: Visit) -> Response:
    """The channels."""
    return await visit.page("channels.html", channels=await visit.bridge.list_channels(visit.who))


# -- tool servers ----------------------------------------------------------------------------------------------


class Difference(Struct, frozen=True):
    """A changed tool, and in what it differs: lines that begin with `+`, `-` or a blank, as diffs have them."""

    change: ToolChange
    says: tuple[str, ...]
    takes: tuple[str, ...]


async def servers(visit: Visit) -> Response:
    """The tool servers, their tools, and what changed in them since it was trusted."""
    tool_list = await visit.bridge.list_tools(visit.who)
    changes = await visit.bridge.list_changes(visit.who) if visit.may("admin") else ()
    instructions = await visit.bridge.list_instruction_changes(visit.who) if visit.may("admin") else ()
    by_server: dict[str, list[ToolSpec]] = {server.name: [] for server in tool_list.servers}
    for spec in tool_list.tools:
        by_server.setdefault(spec.server, []).append(spec)
    return await visit.page(
        "servers.html",
        servers=tool_list.servers,
        tools=by_server,
        changes=[difference(each) for each in changes],
        instructions=[(each, diff(each.was, each.now)) for each in instructions],
    )


def difference(change: ToolChange) -> Difference:
    says = diff(change.description, change.spec.description) if change.description else ()
    takes = diff(pretty(change.schema), pretty(change.spec.schema)) if change.schema else ()
    return Difference(change, says, takes)


def diff(was: str, now: str) -> tuple[str, ...]:
    """The lines of a diff, whole; nothing for equal texts. A last line tells of lines that are not shown.

    Lines are equal or not: to look for similar ones takes a time that grows with the cube of their number, and a tool
    server chooses them.
    """
    if was == now:
        return ()
    before, after = was.split("\n"), now.split("\n")
    left = max(0, len(before) - DIFFED) + max(0, len(after) - DIFFED)
    before, after = before[:DIFFED], after[:DIFFED]
    lines: list[str] = []
    for kind, begin, end, begin_now, end_now in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            lines += [f"  {line}" for line in before[begin:end]]
            continue
        lines += [f"- {line}" for line in before[begin:end]]
        lines += [f"+ {line}" for line in after[begin_now:end_now]]
    return (*lines, f"… {left:,} more lines are not shown: see bridge-mcp servers changes") if left else tuple(lines)


async def accept(visit: Visit) -> Response:
    """Trust a changed tool as it was shown."""
    await visit.bridge.accept_change(visit.who, visit.form.get("tool"), digest=visit.form.get("digest"))
    return visit.go("/servers")


async def accept_instructions(visit: Visit) -> Response:
    """Trust a server's instructions as they were shown."""
    code = visit.form.get("code")
    if not code:
        raise BadInput("The form lacks what stands for the text that was shown.", fix="Reload the page.")
    await visit.bridge.trust_instructions(visit.who, visit.form.get("server"), code)
    return visit.go("/servers")


# -- events ----------------------------------------------------------------------------------------------------


async def events(visit: Visit) -> Response:
    """What happens in the bridge, as it happens; the newest on top."""
    after = await start_of(visit)
    wanted = tuple(name for name in EVENT_TYPES if name in visit.request.query_params.getlist("type"))
    page = await visit.bridge.read_feed(visit.who, max(0, after - RECENT), types=wanted, limit=RECENT)
    return await visit.page(
        "events.html", events=shown(page.events)[::-1], after=after, types=EVENT_TYPES, wanted=wanted
    )


def shown(events: Sequence[Event]) -> list[tuple[Event, str, str]]:
    """Events, each with what its type tells and with its body as JSON."""
    return [(each, EVENTS[each.type].about, indented(dict(each.body))[:4_000]) for each in events]


def indented(body: dict[str, JSON]) -> str:
    """JSON on several lines: the standard library's encoder takes ten times as long as soon as it indents.

    Half a surrogate pair, which is no text in UTF-8, becomes the escape that JSON has for it.
    """
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return json_format(text, indent=2).decode()


async def stream(visit: Visit) -> Response:
    """The events of the page."""
    return visit.console.streams.response(visit.who, new_events(visit))


async def new_events(visit: Visit) -> AsyncIterator[bytes]:
    """Events as rows."""
    wanted = tuple(name for name in EVENT_TYPES if name in visit.request.query_params.getlist("type"))
    async for page in followed(visit, wanted):
        html = visit.html("events-change.html", events=shown(page.events)[::-1], gap=page.gap)
        yield event(html, page.cursor)


# -- usage -----------------------------------------------------------------------------------------------------


async def usage(visit: Visit) -> Response:
    """What models took, by day and model."""
    spent = await visit.bridge.usage(visit.who, days=DAYS)
    series = [name for name, _ in spent.models]
    by_tokens = [(each.day, {name: float(used.tokens) for name, used in each.models}) for each in spent.days]
    by_money = [(each.day, {name: used.usd for name, used in each.models}) for each in spent.days]
    tokens, money = stacks(by_tokens, series, unit="tokens"), stacks(by_money, series, unit="$")
    return await visit.page("usage.html", usage=spent, tokens=tokens, money=money, days=DAYS, colours=COLOURS)


PAGES = (
    Page("/health", health),
    Page("/health/retry", retry, "POST"),
    Page("/health/reload", reload, "POST"),
    Page("/health/callback", end_subscription, "POST"),
    Page("/channels", channels),
    Page("/servers", servers),
    Page("/servers/accept", accept, "POST"),
    Page("/servers/instructions", accept_instructions, "POST"),
    Page("/events", events),
    Page("/events/stream", stream),
    Page("/usage", usage),
)
