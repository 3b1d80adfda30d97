"""What `check` says where calls of gates, hooks and clients would find nobody to decide, and of tools nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.cli.check import CLAUDE_CHANNEL, door_findings
from bridge_mcp.cli.door_findings import claude_channel, exposed
from bridge_mcp.config import Config, load_config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.events import Event
from bridge_mcp.stores.sqlite import open_store

RULE = "[approvals.tools.'channel:*']\nremind_s = 60\n"
LOCAL = "[channels.local]\ntype = 'local'\n"


def config_of(folder: Path, text: str) -> Config:
    (folder / "bridge.toml").write_text(text, "utf-8")
    env = {"BRIDGE_MCP_STATE_DIR": str(folder), "BRIDGE_MCP_CONFIG": str(folder / "bridge.toml"), "HOME": str(folder)}
    return load_config(env=env, cwd=folder)


@pytest.mark.shows("approvals.nobody")
@pytest.mark.parametrize(
    ("text", "told", "fine"),
    [
        (LOCAL, "", True),
        (f"{LOCAL}[approvals]\ncli = false\n", "nobody is let in who could decide", False),
        (f"{LOCAL}[approvals]\nroute = 'agents'\n", "no client has the scope approve", True),
        (f"{LOCAL}[approvals]\nroute = 'agents'\ncli = false\n", "nobody is let in who could decide", False),
        (f"{LOCAL}[approvals.tools.'hook:*']\nquorum = 1\n", "a hook finds nobody to ask", True),
        (f"{LOCAL}[approvals]\nroute = 'local/main'\n[approvals.tools.'hook:*']\nquorum = 1\n", "", True),
    ],
    ids=["as it is", "no commands", "agents alone", "nobody at all", "hooks", "hooks with a route"],
)
async def test_where_nobody_could_decide(tmp_path: Path, text: str, told: str, fine: bool) -> None:
    config = config_of(tmp_path, text)
    await (await open_store(config.store_path, clock=WallClock())).close()
    found = await door_findings(config)
    assert [(told in each.told, each.fine) for each in found] == ([(True, fine)] if told else [])


def test_servers_that_are_shown_to_a_client_are_there_and_may_be_called(tmp_path: Path) -> None:
    server = "[tool_servers.files]\ncommand = 'x'\n"
    shown = config_of(tmp_path, f"{server}[clients.stdio]\nscopes = ['read']\nexpose = ['files']\n")
    assert ["lacks the scope tools" in each.told for each in exposed(shown)] == [True]
    with pytest.raises(ConfigError, match="expose"):
        config_of(tmp_path, f"{server}[clients.stdio]\nexpose = ['flies']\n")


@pytest.mark.shows("approvals.channel-checked")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ("[approvals.tools.'channel:*']\nconfirmation = 'never'\n", "frees nothing"),
        (f"{RULE}[clients.stdio]\nscopes = ['read']\n", "lacks send"),
        (f"{RULE}[channels.main]\ntype = 'local'\nresponder = 'off'\n", "is pushed nothing"),
    ],
    ids=["none", "a rule that frees", "a scope", "nobody relays"],
)
def test_what_keeps_the_channel_of_claude_code_from_working(tmp_path: Path, text: str, told: str) -> None:
    relay = "" if "responder" in text else "[channels.main]\ntype = 'local'\nresponder = 'relay'\n"
    found = [*claude_channel(config_of(tmp_path, relay + text), used=False)]
    assert [(told in each.told, each.warning) for each in found] == ([(True, True)] if told else [])


async def test_a_channel_that_a_session_has_used_is_looked_at(tmp_path: Path) -> None:
    relay = "[channels.main]\ntype = 'local'\nresponder = 'relay'\n[clients.stdio]\nscopes = ['read']\n"
    config = config_of(tmp_path, relay)
    store = await open_store(config.store_path, clock=WallClock())
    assert not await door_findings(config)
    await store.feed.publish(Event("pairing.requested", "", 1.0, body={"channel": "main", "subject": "1"}))
    await store.feed.acknowledge(CLAUDE_CHANNEL, 1)
    await store.close()
    (found,) = await door_findings(config)
    assert "lacks send" in found.told
