"""`/metrics`: how the bridge is, in Prometheus's text format, for a client with the scope `read`.

Labels are names of the owner's config (channels, tool servers) and words of the bridge's own (types of events,
outcomes): never a conversation, a person or a tool, so that there are as many series as the config has names. Counters
count what happened in the whole bridge since this process first told of them; Prometheus knows counters that begin
again.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge_mcp.core.entries import Outcome, Verdict
from bridge_mcp.core.errors import BridgeError, Denied
from bridge_mcp.core.events import EVENT_TYPES, Event
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import Status
from bridge_mcp.core.spending import Spent
from bridge_mcp.server.http.authenticator import PRINCIPAL
from bridge_mcp.server.protocol.errors import fault_of
from bridge_mcp.service import OWNER, Bridge

__all__ = ["METRICS", "EventCounts", "MetricsMiddleware", "exposition"]

METRICS = "/metrics"

FORMAT = "text/plain; version=0.0.4; charset=utf-8"

PAGE = 500
MOST_PAGES = 200
"""Of events that one request counts; the next one goes on from there."""

Series: TypeAlias = tuple[Mapping[str, str], float]
"""The labels of a series, and its value."""


@dataclass(slots=True)
class EventCounts:
    """Counts events of the feed, from where it stood when it was asked first. Looks at the feed when it is asked."""

    types: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    verdicts: Counter[str] = field(default_factory=Counter[str])
    _cursor: int | None = None

    async def catch_up(self, bridge: Bridge) -> None:
        """Count what has happened since the last time."""
        if self._cursor is None:
            self._cursor = await bridge.feed_position(OWNER)
        for _ in range(MOST_PAGES):
            page = await bridge.read_feed(OWNER, self._cursor, limit=PAGE)
            for event in page.events:
                self._count(event)
            if page.cursor <= self._cursor or not page.events:
                return
            self._cursor = page.cursor

    def _count(self, event: Event) -> None:
        self.types[event.type] += 1
        if event.type == "tool.finished":
            self.outcomes[str(event.body.get("outcome"))] += 1
        elif event.type == "approval.decided":
            self.verdicts[str(event.body.get("verdict"))] += 1


class MetricsMiddleware:
    """ASGI middleware behind authentication: answers `/metrics`; the rest is `app`'s."""

    def __init__(self, app: ASGIApp, bridge: Bridge) -> None:
        self._app = app
        self._bridge = bridge
        self._counts = EventCounts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != METRICS:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            error = {"error": "method_not_allowed", "error_description": "Use GET."}
            await JSONResponse(error, 405, {"allow": "GET, HEAD"})(scope, receive, send)
            return
        who: Principal = scope[PRINCIPAL]
        try:
            text = exposition(await self._bridge.get_status(who), await self._counted(who))
        except BridgeError as exc:
            fault = fault_of(exc, METRICS)
            error = {"error": fault.code, "error_description": fault.text}
            await JSONResponse(error, 403 if isinstance(exc, Denied) else 503)(scope, receive, send)
            return
        await Response(text, media_type=FORMAT)(scope, receive, send)

    async def _counted(self, who: Principal) -> EventCounts | None:
        """What happened; None for a client that sees a part of the bridge only, for the counts are of all of it."""
        if who.within:
            return None
        await self._counts.catch_up(self._bridge)
        return self._counts


def exposition(status: Status, counts: EventCounts | None) -> str:
    """A status, and counts of events, in Prometheus's text format."""
    lines = [*of_engine(status), *of_parts(status), *of_models(status.today)]
    if counts is not None:
        lines += of_events(counts)
    return "\n".join(lines) + "\n"


def of_engine(status: Status) -> Iterator[str]:
    yield from gauge("info", "The version that answers.", [({"version": status.version}, 1)])
    yield from single("engine_up", "Whether an engine runs and gives signs of life.", float(status.engine == "running"))
    if status.engine_pid is not None:
        yield from single("engine_start_time_seconds", "When the engine started.", status.engine_since)
    if status.engine_seen:
        yield from single("engine_seen_timestamp_seconds", "When it last gave a sign of life.", status.engine_seen)
    if status.engine_wrote:
        yield from single("engine_write_timestamp_seconds", "When it last wrote to the store.", status.engine_wrote)
    yield from single("approvals_waiting", "Calls that wait for a verdict.", status.waiting_approvals)
    yield from single("messages_queued", "Messages that are to go out.", status.queued_messages)
    yield from single("warnings", "Warnings that get_status shows.", len(status.warnings))


def of_parts(status: Status) -> Iterator[str]:
    """Channels and tool servers; none is up while no engine is, whatever was told of it last."""
    running = status.engine == "running"
    channels = [({"channel": each.name, "type": each.type}, each) for each in status.channels]
    yield from gauge(
        "channel_up",
        "Whether a channel is ready.",
        [(name, float(running and c.state == "ready")) for name, c in channels],
    )
    yield from gauge(
        "channel_ok_timestamp_seconds",
        "When a channel last had a good exchange with its platform.",
        [(name, c.last_ok) for name, c in channels if c.last_ok],
    )
    servers = [({"server": each.name}, each) for each in status.servers]
    yield from gauge(
        "tool_server_up",
        "Whether a tool server is ready.",
        [(name, float(running and s.state == "ready")) for name, s in servers],
    )
    yield from gauge("tool_server_tools", "Tools that it has.", [(name, s.tools) for name, s in servers])
    yield from gauge(
        "tool_server_restarts", "Restarts, since the engine started.", [(name, s.restarts) for name, s in servers]
    )


def of_models(today: Spent) -> Iterator[str]:
    """What models took since midnight (UTC): gauges, for they begin anew each day."""
    yield from single("model_calls_today", "Calls of models since 00:00 UTC.", today.calls)
    tokens = {"input": today.input_tokens, "output": today.output_tokens, "cached": today.cached_tokens}
    yield from gauge(
        "model_tokens_today",
        "Their tokens; cached ones are part of input.",
        [({"kind": k}, n) for k, n in tokens.items()],
    )
    yield from single("model_cost_usd_today", "Dollars, of the calls whose price is known.", today.usd)
    yield from single("model_calls_unpriced_today", "Calls whose price nobody knows.", today.unpriced)
    yield from single("model_seconds_today", "Seconds in which models were waited for.", today.latency_s)


def of_events(counts: EventCounts) -> Iterator[str]:
    yield from family(
        "events_total", "counter", "Events of the feed.", [({"type": each}, counts.types[each]) for each in EVENT_TYPES]
    )
    outcomes = [({"outcome": each}, counts.outcomes[each]) for each in get_args(Outcome)]
    yield from family("tool_calls_total", "counter", "Tool calls that are over.", outcomes)
    verdicts = [({"verdict": each}, counts.verdicts[each]) for each in get_args(Verdict)]
    yield from family("verdicts_total", "counter", "Verdicts on calls that waited.", verdicts)


def single(name: str, about: str, value: float) -> Iterator[str]:
    return gauge(name, about, [({}, value)])


def gauge(name: str, about: str, series: Iterable[Series]) -> Iterator[str]:
    return family(name, "gauge", about, series)


def family(name: str, kind: str, about: str, series: Iterable[Series]) -> Iterator[str]:
    """The lines of one metric; none where it has no series."""
    lines = [f"bridge_mcp_{name}{labels(label_values)} {number(value)}" for label_values, value in series]
    if lines:
        yield f"# HELP bridge_mcp_{name} {about}"
        yield f"# TYPE bridge_mcp_{name} {kind}"
        yield from lines


def labels(values: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{escape_label(value)}"' for name, value in values.items())
    return f"{{{pairs}}}" if pairs else ""


def escape_label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    return repr(value) if isinstance(value, float) and not value.is_integer() else str(int(value))
