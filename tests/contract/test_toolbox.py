"""The contract of the `Toolbox` port, on every adapter. Each brings a tool `echo(text, times=1)` and one `fails()`."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from bridge_mcp.core.tools import ToolSpec, canonical, parse_arguments
from bridge_mcp.ports import Toolbox
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.servers.launch import PATIENCE_S, module, running_on_loopback

Adapter: TypeAlias = Callable[[], AbstractAsyncContextManager[Toolbox]]


@asynccontextmanager
async def nested_over_stdio() -> AsyncGenerator[Toolbox]:
    """The nested servers' box, over stdio."""
    async with NestedToolbox([module("workbench")], clock=WallClock()) as box:
        yield box


@asynccontextmanager
async def nested_over_http() -> AsyncGenerator[Toolbox]:
    """The nested servers' box, over Streamable HTTP."""
    async with running_on_loopback() as server, NestedToolbox([server.settings()], clock=WallClock()) as box:
        yield box


@pytest.fixture(scope="module", params=[nested_over_stdio, nested_over_http])
async def box(request: pytest.FixtureRequest) -> AsyncGenerator[Toolbox]:
    """A toolbox that is ready."""
    adapter: Adapter = request.param
    async with adapter() as box:
        servers = frozenset(status.name for status in box.status())
        await box.ready(servers, PATIENCE_S)
        yield box


def spec(box: Toolbox, tool: str) -> ToolSpec:
    """The tool of this name."""
    return next(spec for spec in box.tools() if spec.tool == tool)


async def test_names_are_unique_and_legal_and_schemas_canonical(box: Toolbox) -> None:
    names = [spec.name for spec in box.tools()]
    assert len(names) == len(set(names)) > 0
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert all(canonical(parse_arguments(spec.schema)) == spec.schema for spec in box.tools())
    assert box.tools() == box.tools()


async def test_status_counts_the_tools_and_is_ready(box: Toolbox) -> None:
    assert {status.state for status in box.status()} == {"ready"}
    assert sum(status.tools for status in box.status()) == len(box.tools())
    assert all(status.error == "" and status.since > 0 for status in box.status())


async def test_ready_is_bounded_and_knows_no_strangers(box: Toolbox) -> None:
    with anyio.fail_after(1):
        await box.ready(frozenset({"a server that nobody configured"}), 0.5)
        await box.ready(frozenset(), 0.5)


async def test_a_call_gives_a_result(box: Toolbox) -> None:
    result = await box.call(spec(box, "echo"), {"text": "é 🐘", "times": 2})
    assert (result.text, result.is_error) == ("é 🐘é 🐘", False)


async def test_an_error_of_the_tool_is_a_result(box: Toolbox) -> None:
    result = await box.call(spec(box, "fails"), {})
    assert result.is_error
    assert result.text


async def test_a_tool_that_is_not_there_surely_did_not_run(box: Toolbox) -> None:
    echo = spec(box, "echo")
    for gone in (replace(echo, tool="gone"), replace(echo, server="gone")):
        with pytest.raises(ToolFailed, match="gone") as error:
            await box.call(gone, {"text": "x"})
        assert not isinstance(error.value, ToolUncertain)


async def test_calls_run_side_by_side_and_can_be_cancelled(box: Toolbox) -> None:
    texts: list[str] = []

    async def echo(text: str) -> None:
        texts.append((await box.call(spec(box, "echo"), {"text": text})).text)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await echo("cancelled")
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(echo, str(number))
    assert sorted(texts, key=int) == [str(number) for number in range(20)]


async def test_check_says_what_is_wrong_with_arguments(box: Toolbox) -> None:
    echo = spec(box, "echo")
    assert await box.check(echo, {"text": "fine"}) == ""
    assert await box.check(echo, {"text": "fine", "times": 3}) == ""
    assert "text" in await box.check(echo, {})
    assert "times" in await box.check(echo, {"text": "x", "times": "twice"})
