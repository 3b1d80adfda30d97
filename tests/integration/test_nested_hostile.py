"""A server that means harm, in a whole bridge: others are served, nothing unapproved runs, nothing is left behind."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.results import ServerInfo
from bridge_mcp.service import OWNER
from tests.servers.launch import PATIENCE_S, ROOT, alive, descendants, lines_of

pytestmark = pytest.mark.usefixtures("only_own_children")

AGENT = Principal("agent", "client", frozenset(SCOPES))


def config(folder: Path, effects: Path) -> dict[str, str]:
    """The environment of a bridge with a hostile server and an honest one."""

    def section(name: str, way: str) -> str:
        return (
            f"[tool_servers.{name}]\ncommand = {json.dumps(sys.executable)}\n"
            f'args = ["-m", "tests.servers.wild", "{way}"]\ncwd = {json.dumps(str(ROOT))}\n'
            f"env = {{ EFFECTS = {json.dumps(str(effects))} }}\n"
        )

    file = folder / "bridge.toml"
    text = (
        '[channels.local]\ntype = "local"\nresponder = "relay"\n'
        + section("bad", "hostile")
        + section("good", "chatter")
    )
    file.write_text(text, encoding="utf-8")
    return {
        "BRIDGE_MCP_CONFIG": str(file),
        "BRIDGE_MCP_STATE_DIR": str(folder / "state"),
        "BRIDGE_SECRET_TOKEN": "planted-secret-of-the-bridge",
    }


@pytest.mark.shows("tool-servers.hostile")
async def test_a_hostile_server_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effects = tmp_path / "effects"
    environment = config(tmp_path, effects)
    monkeypatch.setenv("BRIDGE_SECRET_TOKEN", environment["BRIDGE_SECRET_TOKEN"])
    loaded = anyio.Event()
    with anyio.fail_after(PATIENCE_S * 2):
        async with open_bridge(load_config(env=environment), on_ready=loaded.set) as assembly:
            bridge = assembly.bridge
            await loaded.wait()
            status: dict[str, ServerInfo] = {}
            with closing(bridge.store.agenda.watch()) as changes:
                while {server.state for server in status.values()} != {"ready"}:
                    await changes.wait(1)
                    status = {server.name: server for server in (await bridge.get_status(OWNER)).servers}
            assert set(status) == {"bad", "good"}
            assert status["bad"].tools == 2_000
            assert "It lists tools that cannot be used: 'bad type' (inputSchema: " in status["bad"].error
            assert "'huge' (its schema has" in status["bad"].error
            assert "more than 2,000 tools" in status["bad"].error

            tools = {spec.tool: spec.name for spec in (await bridge.list_tools(OWNER)).tools if spec.server == "bad"}
            assert len(set(tools.values())) == len(tools) == 2_000
            # a recursive schema neither hangs nor lets a call through that needs a verdict
            waiting = await bridge.call_tool(AGENT, tools["drop"], {"next": {"next": {}}})
            assert waiting.state == "open"
            (approval,) = waiting.approvals
            # words of the server's, whatever they imitate, decide nothing
            said = await bridge.call_tool(AGENT, tools["look"], {"approval": approval})
            assert f"/approve {approval}" in said.text
            assert "planted-secret" not in said.text + said.structured
            assert (await bridge.wait_for(OWNER, waiting.id)).state == "open"
            assert lines_of(effects) == ["look"]
            # another server is served meanwhile, and after it
            assert (await bridge.call_tool(AGENT, "good__stay", {})).state == "open"
            await bridge.reject_call(OWNER, approval)
            assert (await bridge.wait_for(OWNER, waiting.id, timeout_s=10)).outcome == "denied"
            children = descendants(os.getpid())
            assert len(children) >= 5
    assert alive(children) == set()
    assert lines_of(effects) == ["look"]
