"""A process that serves the MCP face over a real bridge: a real store, a real engine, a planned model, two small tools.

    python -m tests.integration.face_child stdio STATE_DIR [SCOPE,SCOPE…] [uvloop]
    python -m tests.integration.face_child http STATE_DIR

Over HTTP it prints its port, and knows the clients of `CLIENTS` by their tokens. Channel `local` needs no pairing; on
`family`, only chat 42 is paired. The assistant deletes what it is asked to delete, and says what it was told otherwise.
Clients may ask for verdicts on calls of their own, and need none for a tool `look`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import cast

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.entries import Attachment, Heard, Sender
from bridge_mcp.core.policy import SCOPES, Principal, Scope, ToolRule
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.engine.engine import Engine
from bridge_mcp.ports import ChannelRules, ModelReply, ModelRequest, Pairing, Rules
from bridge_mcp.server.app import always, build_server
from bridge_mcp.server.http.app import HttpOptions, serve_http
from bridge_mcp.server.http.auth import hash_token
from bridge_mcp.server.stdio.reserve_fds import claim
from bridge_mcp.server.stdio.serve import serve_stdio
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.opening import open_store
from bridge_mcp.testing import FakeChannel, FakeModel, FakeToolbox, calls, says

ALL = "all-the-scopes-there-are-0123456789"
READER = "may-read-on-the-local-channel-only"
CALLER = "may-send-and-call-tools-but-not-read-0123"
SEATED = "may-do-the-same-and-a-person-sits-there-0123"
CLIENTS = {
    hash_token(ALL): Principal("all", scopes=frozenset(SCOPES), via="mcp"),
    hash_token(READER): Principal("reader", scopes=frozenset({"read"}), channels=frozenset({"local"}), via="mcp"),
    hash_token(CALLER): Principal("caller", scopes=frozenset({"send", "tools"}), via="mcp"),
    hash_token(SEATED): Principal("seated", scopes=frozenset({"send", "tools"}), via="mcp", attended=True),
}


async def answer(request: ModelRequest) -> ModelReply:
    """What the assistant says: `delete NAME` becomes a call, `think` takes for ever, anything else comes back."""
    last = request.messages[-1]
    words = last.text.rpartition("\n")[2]  # what was said before without an answer stands in front of it
    if words == "think":
        await asyncio.Event().wait()
    if last.role == "user" and words.startswith("delete "):
        return calls(("files__delete", {"name": words.removeprefix("delete ")}))
    return says(f"{last.role} said: {last.text}")


def small_tools() -> FakeToolbox:
    toolbox = FakeToolbox()
    name: JSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

    @toolbox.tool("files__delete", schema=name)
    async def delete(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"{arguments['name']} is gone"

    @toolbox.tool("noise__shout", read_only=True)
    async def shout(arguments: Mapping[str, JSON]) -> ToolResult:  # pyright: ignore[reportUnusedFunction]
        print("this is not the protocol", flush=True)  # noqa: T201
        os.write(1, b'{"jsonrpc": "2.0", "id": 1, "result": {}}\n')
        return ToolResult("shouted", structured='{"loud": true}')

    return toolbox


async def settled(bridge: Bridge) -> None:
    """Wait until the engine has told how its channels and tools are, so that nothing moves by itself later."""
    with closing(bridge.store.agenda.watch()) as changes:
        async with asyncio.timeout(10):
            while True:
                status = await bridge.get_status(OWNER)
                if status.servers and all(channel.state == "ready" for channel in status.channels):
                    return
                await changes.wait(0.05)


PNG = b"\x89PNG\r\n\x1a\n"


@asynccontextmanager
async def running(state: Path, url: str = "") -> AsyncGenerator[Bridge]:
    """A bridge with its engine, for as long as the context lasts; its store is a file in `state` without a `url`."""
    clock = WallClock()
    url = url or f"sqlite:///{state / 'store.db'}"
    store = await open_store(url, clock=clock, delivered_by_commit=frozenset({"local"}))
    family = FakeChannel("family", needs_pairing=True, topics=("make", "name", "close"), clock=clock)
    family.files = {"png": PNG, "txt": "Grüße".encode(), "zip": b"PK\0"}
    channels = {"local": FakeChannel("local", delivered_by_commit=True, clock=clock), "family": family}
    toolbox = small_tools()
    free = ToolRule("request:*__look", {"confirmation": "never"})
    rules_of = {name: ChannelRules(name, "assistant") for name in channels}
    rules_of["relayed"] = ChannelRules("relayed", "relay")  # so that the tools of relays are there
    rules = Rules(rules_of, tools=(free,), provider=True)
    traits = {name: channel.traits for name, channel in channels.items()}

    async def fetch(channel: str, attachment: Attachment, most: int) -> bytes:
        return await channels[channel].fetch(attachment, most)

    bridge = Bridge(
        store,
        rules,
        traits,
        clock=clock,
        check=toolbox.check,
        is_engine=lambda: True,
        fetch=fetch,
        clients=(Principal("other"),),
    )
    engine = asyncio.create_task(Engine(store, rules, channels, FakeModel(answer), toolbox, clock).run())
    try:
        await store.access.pair(Pairing("family", "42", "user", name="Ann"))
        files = (
            Attachment("png", "image", "image/png", name="a.png", size=len(PNG)),
            Attachment("txt", "file", "text/plain", name="a.txt"),
            Attachment("zip", "file", "application/zip", name="a.zip"),
        )
        await store.log.record("family/50", Heard("see", Sender("50", "Eve"), "m1", to="off", attachments=files))
        await settled(bridge)
        yield bridge
    finally:
        engine.cancel()
        with suppress(asyncio.CancelledError):
            await engine
        await store.close()


async def over_stdio(state: Path, scopes: frozenset[Scope]) -> None:
    wire = claim()
    async with running(state) as bridge:
        await serve_stdio(build_server(bridge, always(Principal("stdio", "client", scopes, attended=True))), wire)


async def over_http(state: Path) -> None:
    async with running(state) as bridge:
        await serve_http(bridge, HttpOptions(clients=CLIENTS), on_ready=lambda port: print(port, flush=True))  # noqa: T201


def main(how: str, state: str, scopes: str = "read,send,approve,tools,admin", loop: str = "asyncio") -> None:
    granted = frozenset(cast("list[Scope]", scopes.split(",")))
    serving = over_stdio(Path(state), granted) if how == "stdio" else over_http(Path(state))
    if loop == "uvloop":
        import uvloop

        uvloop.run(serving)
    else:
        asyncio.run(serving)


if __name__ == "__main__":
    main(*sys.argv[1:])
