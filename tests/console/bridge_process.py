"""A bridge in a process of its own, with a planned model and tools of many kinds, and the console over HTTP.

    python -m tests.console.bridge_process STATE_DIR [--face] [--wrong]

Prints a line of JSON with its origin once it answers. With `--face` it is no engine: it stands beside one on the same
store. With `--wrong` a channel is refused at first, and a tool server says something else than before. Every line on
standard input is a command (`answered`), and is answered with a line of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from msgspec.structs import replace

from bridge_mcp.assembly import WallClock
from bridge_mcp.console.app import Console
from bridge_mcp.console.serving import ConsoleOptions, make_console, serve_console
from bridge_mcp.console.visitors import owner
from bridge_mcp.core.bearer_tokens import hash_token
from bridge_mcp.core.entries import Heard, Sender, Usage
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.tools import JSON, canonical
from bridge_mcp.engine.engine import Engine
from bridge_mcp.ports import Capacity, ChannelRules, Incoming, ModelReply, ModelRequest, OnText, Rules, instructions_of
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.drafts import DraftFolder
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeChannel, FakeToolbox, calls, says
from bridge_mcp.toolservers.schemas import Schemas
from tests.console.wrong_things import SAID_BEFORE, ChangedInstructions, RefusedOnce, fail_a_callback

ADMIN, APPROVER, VIEWER = "token-of-the-admin-0123456789", "token-of-an-approver-0123456789", "token-of-a-viewer-012345"
CLIENTS = {
    hash_token(ADMIN): Principal("anna", scopes=frozenset(SCOPES), via="mcp"),
    hash_token(APPROVER): Principal("otto", scopes=frozenset({"read", "send", "approve"}), via="mcp"),
    hash_token(VIEWER): Principal("vera", scopes=frozenset({"read"}), via="mcp"),
}

WRITE: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Where it is written, below the folder."},
        "text": {"type": "string", "description": "The whole text."},
        "mode": {"type": "string", "enum": ["replace", "append"]},
        "copies": {"type": "integer", "minimum": 1, "maximum": 9},
        "notify": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["path", "text"],
    "additionalProperties": False,
}
NAME: dict[str, JSON] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
LONG, MANY = "{long}", "{many lines}"
"""What stands in a message for a text that is too long for one."""
LINES = "\\n".join(f"line {number}" for number in range(10_000))

NAME_BEFORE: dict[str, JSON] = {**NAME, "required": []}

GO_ON = asyncio.Event()
"""A reply that streams waits for it in its middle."""

POEM = "Here is a **plan**:\n\n1. look at `notes.txt`\n2. write the summary\n\n```python\nprint('done')\n```\n"


class PlannedModel:
    """Says a planned thing: `calls JSON` become calls, `stream` comes in words up to its middle, else it repeats."""

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """The reply to the last message."""
        last = request.messages[-1]
        words = last.text.rpartition("\n")[2]
        if last.role == "user" and words.startswith("calls "):
            planned = words.removeprefix("calls ").replace(LONG, "x" * 990_000).replace(MANY, LINES)
            return calls(*[(tool, arguments) for tool, arguments in json.loads(planned)])
        if last.role == "user" and words.startswith("stream"):
            text = ""
            for part in POEM.split(" "):
                text += f"{part} "
                if on_text is not None:
                    on_text(text)
                if part.startswith("summary"):
                    await GO_ON.wait()
                    GO_ON.clear()
            return says(POEM)
        used = Usage(len(last.text) * 40, 60, cost_usd=0.0012)
        said = says(f"{last.role} said: {last.text}")
        return replace(said, usage=used, model="fake-small" if words.startswith("small") else said.model)

    async def capacity(self, model: str) -> Capacity:
        """Sees images."""
        return Capacity(images=True)

    def health(self) -> tuple[()]:
        """Nothing to tell."""
        return ()


def furnished(toolbox: FakeToolbox) -> FakeToolbox:
    """A toolbox with tools of several kinds."""

    @toolbox.tool("files__write", schema=WRITE)
    async def write(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"wrote {len(str(arguments['text']))} characters to {arguments['path']}"

    @toolbox.tool("files__delete", schema=NAME)
    async def delete(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"{arguments['name']} is gone"

    @toolbox.tool("mail__send", description="Sends a mail, with a copy to us.", schema=NAME)
    async def send(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return "sent"

    toolbox.change("mail__send", "it says something else of itself")

    @toolbox.tool("clock__now", read_only=True)
    async def now(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return "12:00"

    return toolbox


@asynccontextmanager
async def running(state: Path, *, engine: bool, wrong: bool = False) -> AsyncGenerator[Bridge]:
    """A bridge, with its engine unless it is a face."""
    clock = WallClock()
    store = await open_store(state / "store.db", clock=clock, delivered_by_commit=frozenset({"local"}))
    family = FakeChannel("family", needs_pairing=True, clock=clock)
    channels = {"local": FakeChannel("local", delivered_by_commit=True, clock=clock), "family": family}
    pins = store.tool_pins
    changed = ChangedInstructions() if wrong else None
    toolbox = furnished(changed or FakeToolbox())
    if wrong:
        channels["refused"] = RefusedOnce("refused", clock=clock)
        await pins.keep(instructions_of("mail"), {"text": SAID_BEFORE})
        await fail_a_callback(store)
    rules = Rules({name: ChannelRules(name, "assistant") for name in channels})
    files = FileFolder(state / "files")
    schemas, drafts = Schemas(), DraftFolder(state / "drafts")
    bridge = Bridge(
        store,
        rules,
        {name: channel.traits for name, channel in channels.items()},
        clock=clock,
        check=schemas.complaint,
        is_engine=lambda: engine,
        fetch=lambda channel, attachment, most: files.read(attachment.ref),
        drafts=drafts,
    )
    task = None
    if engine:
        await pins.keep("mail", {"tools": {"send": {"said": "Sends a mail.", "takes": canonical(NAME_BEFORE)}}})
        task = asyncio.create_task(
            Engine(
                store,
                rules,
                channels,
                PlannedModel(),
                toolbox,
                clock,
                files=files,
                reconnect=changed.connected_again if changed else int,
                drafts=drafts,
            ).run()
        )
    try:
        yield bridge
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await schemas.close()
        await store.close()


async def answered(bridge: Bridge, console: Console, command: dict[str, str]) -> str:
    """What one command of the test is answered with."""
    match command["do"]:
        case "link":
            return console.sessions.link(owner(frozenset(command["scopes"].split(","))))
        case "say":
            return await bridge.say(OWNER, command["conversation"], command["text"])
        case "send":
            labels = [label for label in command.get("buttons", "").split("|") if label]
            return (await bridge.send_message(OWNER, command["conversation"], command["text"], buttons=labels)).message
        case "clear":
            waiting = await bridge.list_approvals(OWNER)
            if waiting:
                await bridge.reject_calls(OWNER, [each.id for each in waiting])
            return ""
        case "picture":  # a message with an image and a page, both in the bridge's own store
            files = FileFolder(Path(command["state"]) / "files")
            png = await files.put(base64.b64decode(PIXEL), mime="image/png", name="pixel.png")
            page = await files.put(b"<script>alert(1)</script>", mime="text/html", name="page.html")
            sender = Sender("7", "Ann")
            incoming = Incoming(
                "local", command["chat"], "m1", sender=sender, text=command["text"], at=1, attachments=(png, page)
            )
            return str(await bridge.intake.hear(incoming))
        case "revoke":
            await bridge.revoke_client(OWNER, command["name"])
            return ""
        case "client":
            return (await bridge.add_client(OWNER, command["name"], scopes=command["scopes"].split(",")))[1]
        case "ask":  # a stranger writes to the bot, and is shown a code
            incoming = Incoming("family", command["chat"], "m1", sender=Sender(command["chat"], "Sue"), text="hi", at=1)
            return await bridge.intake.put(incoming)
        case _:
            return await arranged(bridge, command)


async def arranged(bridge: Bridge, command: dict[str, str]) -> str:
    """What is there before a test looks, and what it could not see in a page."""
    match command["do"]:
        case "seed":  # so many conversations, each with one message that nobody answers
            for first in range(0, int(command["count"]), 500):
                heard = Heard("seeded", Sender("7", "Ann"), "m1", to="off")
                many = [f"local/seeded-{first + number}" for number in range(500)]
                await asyncio.gather(*[bridge.store.log.record(each, heard) for each in many])
            return ""
        case "go on":
            GO_ON.set()
            return ""
        case "prune":  # once a call waits; as after a long time: no event of before is there any more
            at = await bridge.feed_position(OWNER)
            while not await bridge.list_approvals(OWNER):
                at = (await bridge.wait_for_events(OWNER, after=at, timeout_s=10)).cursor
            return str(await bridge.store.feed.prune(await bridge.feed_position(OWNER) + 1))
        case "asked at":
            return str((await bridge.list_approvals(OWNER, limit=1))[0].asked_at)
        case "instructions":
            return str((await bridge.store.tool_pins.load(instructions_of(command["server"]))).get("text"))
        case "accepted":
            return (await bridge.store.tool_pins.accepted(command["tool"]) or ("", ""))[1]
        case unknown:
            raise ValueError(unknown)


async def main(state: Path, *, engine: bool, wrong: bool) -> None:
    """Serve until a signal; one line of JSON for each command."""
    async with running(state, engine=engine, wrong=wrong) as bridge, anyio.create_task_group() as tasks:
        console = make_console(bridge, ConsoleOptions(clients=CLIENTS))

        async def commands() -> None:
            while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                told = await answered(bridge, console, json.loads(line))
                print(json.dumps(told), flush=True)  # noqa: T201

        tasks.start_soon(commands)
        await serve_console(console, 0, lambda origin: print(json.dumps(origin), flush=True))  # noqa: T201
        tasks.cancel_scope.cancel()
        os._exit(0)  # the thread that reads the commands cannot be woken


if __name__ == "__main__":
    anyio.run(lambda: main(Path(sys.argv[1]), engine="--face" not in sys.argv, wrong="--wrong" in sys.argv))
