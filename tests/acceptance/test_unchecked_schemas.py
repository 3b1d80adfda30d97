"""Schemas by which nothing can be checked: told where servers are looked at, before anybody calls their tools."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any

import anyio

from bridge_mcp.core.results import ServerInfo
from bridge_mcp.service import OWNER, Bridge
from tests.acceptance.parts import WAIT_S, Home
from tests.acceptance.test_embedding import opened
from tests.servers.launch import ROOT


def tool(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": name, "inputSchema": {"type": "object", **schema}}


def exponential(links: int) -> dict[str, Any]:
    """Each definition asks for the next one twice."""
    chain = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(links)}
    return {"$defs": {**chain, f"d{links}": {"type": "object"}}, "$ref": "#/$defs/d0"}


TOOLS = [
    tool("plain", {"required": ["x"]}),
    tool("elsewhere", {"$ref": "http://127.0.0.1:9/x"}),
    tool("endless", exponential(40)),
]


async def told(bridge: Bridge) -> ServerInfo:
    """The server, once something is said of two of its tools."""
    with closing(bridge.store.agenda.watch()) as changes:
        while True:
            for server in (await bridge.get_status(OWNER)).servers:
                if "and of 1 more" in server.error:
                    return server
            await changes.wait(1)


async def test_what_cannot_be_checked_is_told_before_it_is_called(home: Home) -> None:
    listed = home.work / "tools.json"
    listed.write_text(json.dumps(TOOLS), "utf-8")
    home.write(
        '[channels.desk]\ntype = "local"\nresponder = "relay"\n[tool_servers.odd]\n'
        f"command = {json.dumps(sys.executable)}\nargs = ['-m', 'tests.servers.from_file', {json.dumps(str(listed))}]\n"
        f"cwd = {json.dumps(str(ROOT))}\n"
    )
    async with opened(home) as assembly:
        with anyio.fail_after(WAIT_S):
            server = await told(assembly.bridge)
        error = server.error
        assert server.state == "ready"
        assert "Arguments of odd__elsewhere and of 1 more are not checked" in error
        assert "the server is the judge" in error
        warnings = (await assembly.bridge.get_status(OWNER)).warnings
        assert any("odd__elsewhere" in each for each in warnings)
        listing = home.run("servers", "list")
        assert "odd__elsewhere and of 1 more are not checked" in " ".join(listing.split())
    (finding,) = [each for each in home.json("check", "--no-ask") if each["what"] == "server odd"]
    assert (finding["fine"], finding["warning"]) == (True, True)
    assert "connected, 3 tools. Arguments of odd__elsewhere and of 1 more are not checked" in finding["told"]
