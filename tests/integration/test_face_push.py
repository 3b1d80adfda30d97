"""Subscribers are told of changes in both eras, of what they may see, and while they want to be."""

# The handshake era, whose way to subscribe the SDK marks as deprecated, is served as long as hosts speak it.
# pyright: reportDeprecated=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceUpdatedNotification

from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.server.app import always, build_server
from tests.integration.face_child import ALL, READER, running
from tests.integration.face_clients import WAIT_S, answer, deletion, over_http, over_stdio, served_http

pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed as of 2026-07-28")

CHAT = "local/main"
CHAT_URI = f"bridge://conversations/{CHAT}"
ENCODED = "bridge://conversations/local%2Fmain"


class Notices:
    """What a handshake-era client is told."""

    def __init__(self) -> None:
        self.uris: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.uris.put_nowait(str(message.params.uri))

    async def next(self) -> str:
        async with asyncio.timeout(WAIT_S):
            return await self.uris.get()


@pytest.mark.shows("tools.resources")
async def test_a_handshake_era_client_over_stdio(tmp_path: Path) -> None:
    notices = Notices()
    async with over_stdio("2025-11-25", tmp_path, message_handler=notices) as client:
        await subscribing(client, notices)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with served_http(tmp_path_factory.mktemp("state")) as address:
        yield address


async def test_a_handshake_era_client_over_http(address: str) -> None:
    notices = Notices()
    async with over_http("2025-11-25", address, ALL, message_handler=notices) as client:
        await subscribing(client, notices)


async def subscribing(client: Client, notices: Notices) -> None:
    assert client.server_capabilities.resources is not None
    assert client.server_capabilities.resources.subscribe
    await client.subscribe_resource(CHAT_URI)
    await answer(client, "send_message", conversation="local/other", text="not watched")
    await answer(client, "send_message", conversation=CHAT, text="watched")
    assert await notices.next() == CHAT_URI

    await client.subscribe_resource("bridge://approvals")
    await client.unsubscribe_resource(CHAT_URI)
    waiting = await deletion(client, CHAT, "x.txt")
    assert await notices.next() == "bridge://approvals"
    await answer(client, "reject_call", approval_id=waiting["id"])
    assert await notices.next() == "bridge://approvals"
    await client.unsubscribe_resource("bridge://approvals")
    await client.unsubscribe_resource("bridge://approvals")
    assert notices.uris.empty()

    with pytest.raises(MCPError, match="There is no resource 'bridge://nothing'"):
        await client.subscribe_resource("bridge://nothing")


@asynccontextmanager
async def modern(kind: str, address: str, state: Path) -> AsyncGenerator[Client]:
    if kind == "stdio":
        async with over_stdio("2026-07-28", state) as client:
            yield client
    else:
        async with over_http("2026-07-28", address, ALL) as client:
            yield client


@pytest.mark.shows("tools.resources")
@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_client_of_2026_listens(kind: str, address: str, tmp_path: Path) -> None:
    async with modern(kind, address, tmp_path) as client, asyncio.timeout(WAIT_S):
        async with client.listen(resource_subscriptions=[ENCODED, "bridge://status"]) as events:
            await answer(client, "send_message", conversation="local/other", text="only the status tells of it")
            assert await anext(aiter(events)) == ResourceUpdated(uri="bridge://status")
            await answer(client, "send_message", conversation=CHAT, text="watched")
            told = {await anext(aiter(events)), await anext(aiter(events))}
            assert told == {ResourceUpdated(uri=ENCODED), ResourceUpdated(uri="bridge://status")}


FAMILY = "bridge://conversations/family/42"
LISTS = ["bridge://status", "bridge://approvals", "bridge://channels"]


async def elsewhere(writer: Client) -> None:
    """Things happen on a channel, all of them beyond the limits of `READER`."""
    waiting = await deletion(writer, "family/42", "private.txt")
    await answer(writer, "send_message", conversation="family/42", text="private")
    await answer(writer, "reject_call", approval_id=waiting["id"])
    await answer(writer, "pair_chat", channel="family", chat="43")
    await answer(writer, "unpair_chat", channel="family", chat="43")


async def test_nobody_is_told_that_something_moved_beyond_its_limits(address: str) -> None:
    """Not even by a list that everybody may watch: the first notice is of what happened inside."""
    async with over_http("2026-07-28", address, READER) as client, over_http("2025-11-25", address, ALL) as writer:
        async with asyncio.timeout(WAIT_S), client.listen(resource_subscriptions=[*LISTS, FAMILY, CHAT_URI]) as events:
            await elsewhere(writer)
            await answer(writer, "send_message", conversation=CHAT, text="public")
            told = [await anext(aiter(events)), await anext(aiter(events))]
            assert told == [ResourceUpdated(uri=CHAT_URI), ResourceUpdated(uri="bridge://status")]
    notices = Notices()
    async with (
        over_http("2025-11-25", address, READER, message_handler=notices) as client,
        over_http("2025-11-25", address, ALL) as writer,
    ):
        with pytest.raises(MCPError, match="There is no resource"):
            await client.subscribe_resource(FAMILY)
        for uri in (*LISTS, CHAT_URI):
            await client.subscribe_resource(uri)
        await elsewhere(writer)
        await answer(writer, "send_message", conversation=CHAT, text="public")
        assert [await notices.next(), await notices.next()] == [CHAT_URI, "bridge://status"]


async def test_reading_needs_its_scope(tmp_path: Path) -> None:
    async with over_stdio("2025-11-25", tmp_path, scopes=["send"]) as client:
        assert (await client.list_resources()).resources == []
        for doing in (client.read_resource("bridge://status"), client.subscribe_resource("bridge://status")):
            with pytest.raises(MCPError, match="This needs the scope 'read'; stdio has: send") as caught:
                await doing
            assert caught.value.error.data["error"]["code"] == "denied"


async def test_nothing_follows_the_feed_while_nobody_listens(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        server = build_server(bridge, always(Principal("test", "client", frozenset(SCOPES))))
        async with Client(server, mode="legacy") as leaves, Client(server, mode="auto") as listens:
            assert not pumping()
            await leaves.subscribe_resource(CHAT_URI)
            assert pumping()
            async with listens.listen(resource_subscriptions=[CHAT_URI]):
                await leaves.unsubscribe_resource(CHAT_URI)
                assert pumping()
            await leaves.subscribe_resource("bridge://status")
            assert pumping()
        assert not pumping()


def pumping() -> bool:
    return any(task.get_name() == "push" and not task.cancelling() for task in asyncio.all_tasks())
