"""What a nested server is told of the trace that a call belongs to: over pipes and over HTTP, in both eras."""

from __future__ import annotations

import pytest

from bridge_mcp.core.entries import TraceContext
from bridge_mcp.ports import CallContext
from tests.servers.launch import Opened, module, opened, running_on_loopback

TRACE = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1")


async def told(at: Opened, trace: TraceContext | None) -> str:
    return (await at.box.call(at.spec("trace"), {}, context=CallContext("local/main", "1.0", trace=trace))).text


@pytest.mark.shows("telemetry.passed-on")
@pytest.mark.parametrize("era", [(), ("--old",)], ids=["newer era", "older era"])
async def test_over_http(era: tuple[str, ...]) -> None:
    async with running_on_loopback(*era) as server, opened(server.settings()) as at:
        assert await told(at, TRACE) == f"{TRACE.parent} {TRACE.state}"
        assert await told(at, None) == ""


@pytest.mark.shows("telemetry.passed-on")
async def test_over_pipes() -> None:
    async with opened(module("workbench")) as at:
        assert await told(at, TRACE) == f"{TRACE.parent} {TRACE.state}"
        assert await told(at, TraceContext(TRACE.parent)) == TRACE.parent
        assert await told(at, None) == ""
