"""What callers are told when something breaks inside: a reference, and nothing of the inside."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from bridge_mcp.core.errors import BadInput, NotPaired
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.ports import ChannelTraits, Rules
from bridge_mcp.server.app import always, build_server
from bridge_mcp.server.protocol.errors import fault_of
from bridge_mcp.service import Bridge
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeToolbox, ManualClock

SECRET = "123456:a-token-in-an-exception"


class Broken(dict[str, ChannelTraits]):
    """Traits that cannot be read: a bug inside, with a secret in its words."""

    def items(self) -> Any:
        raise RuntimeError(f"cannot reach https://api.example/bot{SECRET}/getMe")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Client]:
    store = await open_store(tmp_path / "store.db", clock=ManualClock(time.time()))
    bridge = Bridge(store, Rules(), Broken(), clock=ManualClock(), check=FakeToolbox().check)
    server = build_server(bridge, always(Principal("test", "client", frozenset(SCOPES))))
    async with Client(server, mode="legacy") as client:
        yield client
    await store.close()


async def test_an_unexpected_error_is_logged_whole_and_told_as_a_reference(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    result = await client.call_tool("list_channels", {})
    (block,) = result.content
    assert result.is_error
    assert isinstance(block, TextContent)
    error = cast("dict[str, dict[str, str]]", result.structured_content)["error"]
    assert error["code"] == "internal"
    assert SECRET not in block.text + str(error)
    assert "Traceback" not in block.text

    (record,) = [each for each in caplog.records if each.name == "bridge_mcp.server.protocol.errors"]
    reference = error["message"].split()[2]
    assert reference in record.getMessage()
    assert record.exc_info is not None
    assert SECRET in str(record.exc_info[1])


async def test_so_it_is_with_resources(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.read_resource("bridge://channels")
    assert SECRET not in str(caught.value.error)
    assert caught.value.error.data["error"]["code"] == "internal"


def test_an_error_of_the_tree_is_told_with_its_fix() -> None:
    fault = fault_of(NotPaired("'family/7' is not paired.", fix="Pair it."), "anywhere")
    assert (fault.code, fault.message, fault.fix) == ("not_paired", "'family/7' is not paired.", "Pair it.")
    assert fault.text == "'family/7' is not paired. Pair it."
    assert fault_of(BadInput(fix="Try."), "anywhere").message == "The input is not usable."
    assert len(fault_of(BadInput("x" * 1_000_000), "anywhere").text) < 5_000
