"""What is known of a server stands while it connects: nobody is told that there is no such tool, and calls wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.entries import Asked, Finished, Judged
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ServerStatus
from bridge_mcp.testing import FakeToolbox
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.integration.setup import HOST, world
from tests.servers.launch import module


class Kept:
    """What is kept between processes."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, JSON]] = {}

    async def load(self, subject: str) -> Mapping[str, JSON]:
        return self.kept.get(subject, {})

    async def keep(self, subject: str, pinned: Mapping[str, JSON]) -> None:
        self.kept[subject] = pinned


SERVER = module("workbench", server="plain", connect_timeout_s=60)


async def known(server: ToolServer, pins: Kept) -> NestedToolbox:
    """A box of another process, before anything is connected."""
    box = NestedToolbox([server], clock=WallClock(), pins=pins)
    await box.recall()
    return box


@pytest.mark.shows("tool-servers.allowed")
async def test_tools_stand_before_their_server_is_connected_and_only_those_still_allowed(tmp_path: Path) -> None:
    pins = Kept()
    async with NestedToolbox([SERVER], clock=WallClock(), pins=pins) as box:
        await box.ready(frozenset({"plain"}), 60)
        listed = box.tools()
        assert listed
    box = await known(SERVER, pins)
    assert box.tools() == listed
    (status,) = box.status()
    assert (status.state, status.tools) == ("connecting", len(listed))
    with anyio.move_on_after(0.05) as ready:
        await box.ready(frozenset({"plain"}), 10)
    assert ready.cancelled_caught, "it is known, not connected"

    first = listed[0]
    fewer = replace(SERVER, allowed_tools=tuple(spec.tool for spec in listed[1:]))
    box = await known(fewer, pins)
    assert box.tools() == listed[1:]
    assert first.name in box.status()[0].withheld
    assert (await known(replace(SERVER, args=("-m", "another")), pins)).tools() == (), "another place, another server"
    assert (await known(SERVER, Kept())).tools() == ()


async def test_what_was_kept_and_cannot_be_read_is_as_good_as_nothing() -> None:
    pins = Kept()
    async with NestedToolbox([SERVER], clock=WallClock(), pins=pins) as box:
        await box.ready(frozenset({"plain"}), 60)
    damaged: tuple[JSON, ...] = ("no list", [1, {"name": 5}], [{"name": "x"}])
    for damage in damaged:
        pins.kept["plain:listed"] = {**pins.kept["plain:listed"], "tools": damage}
        assert (await known(SERVER, pins)).tools() == ()


class Starting(FakeToolbox):
    """A toolbox whose server is still connecting at first."""

    connecting = True

    def status(self) -> tuple[ServerStatus, ...]:
        return (ServerStatus("files", "connecting" if self.connecting else "ready", len(self.tools())),)


async def test_a_call_of_a_tool_that_is_not_known_yet_waits_for_its_server(tmp_path: Path) -> None:
    box = Starting()
    async with world(tmp_path, toolbox=box) as it:

        async def connect() -> None:
            await anyio.sleep(0.3)

            @box.tool("files__look", read_only=True)
            async def look(arguments: Mapping[str, JSON]) -> str:
                return "seen"

            box.connecting = False

        connecting = asyncio.create_task(connect())
        ticket = await it.bridge.call_tool(HOST, "files__look", {}, wait_s=20)
        await connecting
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)
        assert (done.outcome, done.text) == ("ok", "seen")


async def test_a_tool_taken_out_of_the_allowed_ones_ends_the_call_that_waits_for_it(tmp_path: Path) -> None:
    box = FakeToolbox()

    @box.tool("files__put")
    async def put(arguments: Mapping[str, JSON]) -> str:
        return "done"

    async with world(tmp_path, toolbox=box) as it:
        ticket = await it.bridge.call_tool(HOST, "files__put", {}, wait_s=5)
        assert ticket.approvals
    box.remove("files__put")
    box.withhold("files__put")
    async with world(tmp_path, toolbox=box) as it:
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)
        assert done.outcome == "error"
        assert "no longer allows the tool 'files__put'" in done.text
        kinds = [type(each.entry) for each in await it.store.log.load(ticket.conversation)]
        assert kinds[-3:] == [Asked, Judged, Finished]
