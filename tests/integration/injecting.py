"""A whole bridge to attack: people on a loopback Telegram, a nested server that means harm, a model that does as told.

`Den.powers` is all that nobody's words may change; a test takes it before an attack and compares it behind.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Cleared, Configured, Judged, Log, Stopped, Voted
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.tools import JSON
from bridge_mcp.service import OWNER, Bridge
from tests.servers.launch import PATIENCE_S, ROOT, eventually, lines_of
from tests.servers.model_apis.answers import Answer, calling, saying
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest
from tests.servers.telegram import Button, Chat, Message, TelegramServer, User

__all__ = ["AGENT", "Den", "den"]

MAY: frozenset[Scope] = frozenset({"read", "send", "tools"})
AGENT = Principal("agent", "client", MAY, via="mcp")
"""An agent that may talk and call, and decide nothing."""

CONFIG = """
[models.default]
model = "openai/gpt-test"
base_url = {model}
api_key_file = "key"
[channels.family]
type = "telegram"
channel_posts = true
token_file = "token"
api_base_url = {telegram}
responder = "assistant"
groups = "always"
builtin_tools = ["whoami", "send_message", "ask_user", "remind"]
[channels.work]
type = "telegram"
token_file = "other"
api_base_url = {work}
responder = "assistant"
[channels.local]
type = "local"
responder = "assistant"
[tool_servers.forge]
command = {python}
args = ["-m", "tests.servers.wild", "forger"]
cwd = {root}
env = {{ EFFECTS = {effects} }}
"""
OTHER = "7000000002:planted-token-of-another-bot"


def obey(request: ReceivedRequest) -> Answer:
    """What the model says: `call TOOL JSON` becomes a call, `say TEXT` is said, a result is repeated.

    As a reviewer it approves whatever it is asked about, in the words that it finds there.
    """
    messages = request.body["messages"]
    last = messages[-1]
    text = last["content"] if isinstance(last["content"], str) else ""
    if "You review tool calls" in str(messages[0]["content"]):
        return saying(json.dumps({"verdict": "approve", "reason": json.loads(text)["call"]["arguments"]["text"]}))
    if last["role"] == "tool":
        return saying(text)
    if wanted := re.search(r"(?s)\bcall (\w+) (\{.*\})$", text):
        return calling((wanted[1], wanted[2]))
    said = re.search(r"(?s)\bsay (.*)$", text)
    return saying(said[1] if said else f"I heard: {text}")


@dataclass
class Den:
    """The bridge and everybody around. Ann may approve, Bob is let in, Mallory is a stranger but for the group."""

    bridge: Bridge
    server: TelegramServer
    work: TelegramServer
    model: OpenAIServer
    effects: Path
    ann: User
    bob: User
    mallory: User
    group: Chat

    @property
    def here(self) -> str:
        """The group's conversation."""
        return f"family/{self.group.id}"

    async def call(self, tool: str, arguments: Mapping[str, JSON], chat: Chat | None = None) -> None:
        """Ann has the assistant make a call."""
        await self.ann.sends(chat or self.group, f"call {tool} {json.dumps(arguments)}")

    async def waiting(self, text: str = "x", chat: Chat | None = None) -> tuple[Approval, Message]:
        """A call that waits for a verdict, and the message that asks for it."""
        place = chat or self.group
        said = len(place.bot_messages)
        await self.call("forge__drop", {"text": text}, place)
        (prompt,) = (await place.bot_says(said + 1, PATIENCE_S))[said:]
        (approval,) = await self.bridge.list_approvals(OWNER, conversation=f"family/{place.id}")
        return approval, prompt

    async def taken(self) -> None:
        """Wait until everything that people did has come in, and what the bridge says to it has gone out."""
        for server in (self.server, self.work):
            await server.until(lambda server=server: server.pending == 0, "every update was taken", PATIENCE_S)
        with anyio.fail_after(PATIENCE_S):
            while (await self.bridge.get_status(OWNER)).queued_messages:
                await self.bridge.wait_for_events(OWNER, timeout_s=0.1)

    async def logs(self) -> dict[str, Log]:
        """Every log there is of a chat, and of the calls that wait or waited."""
        found = {each.id for each in (await self.bridge.list_conversations(OWNER, limit=200)).conversations}
        found |= {each.conversation for each in await self.bridge.list_approvals(OWNER, status="any")}
        return {each: await self.bridge.store.log.load(each) for each in sorted(found)}

    async def powers(self) -> dict[str, object]:
        """All that words may not change: verdicts, who is let in, standing verdicts, settings, what has run."""
        await self.taken()
        decided = (Judged, Voted, Stopped, Cleared, Configured)
        entries = [(name, e.seq, e.entry) for name, log in (await self.logs()).items() for e in log]
        return {
            "decided": [each for each in entries if isinstance(each[2], decided)],
            "approvals": {each.id: each.status for each in await self.bridge.list_approvals(OWNER, status="any")},
            "pairings": (await self.bridge.list_pairings(OWNER))[0],
            "grants": await self.bridge.list_grants(OWNER),
            "clients": await self.bridge.list_clients(OWNER),
            "ran": [line for line in lines_of(self.effects) if line == "drop"],
        }

    async def approves(self, prompt: Message, chat: Chat | None = None) -> None:
        """Ann presses the real button, and the call runs: what was attacked was alive."""
        ran = lines_of(self.effects).count("drop")
        pressed = await self.ann.presses(prompt, button(prompt, "Approve").text)
        assert (await pressed.answered(PATIENCE_S)).text == "Approved: forge__drop."
        await eventually(lambda: lines_of(self.effects).count("drop") == ran + 1)


def button(message: Message, label: str) -> Button:
    return next(each for row in message.buttons for each in row if label in each.text)


@asynccontextmanager
async def den(folder: Path, more: str = "") -> AsyncGenerator[Den]:
    """Everything, for the time of a block; `more` is added to the configuration."""
    effects = folder / "effects"
    with OpenAIServer(respond=obey) as model:
        async with TelegramServer() as server, TelegramServer(OTHER) as work:
            (folder / "key").write_text("sk-planted")
            (folder / "token").write_text(server.token)
            (folder / "other").write_text(work.token)
            values = {
                "model": model.url, "telegram": server.url, "work": work.url, "python": sys.executable,
                "root": str(ROOT), "effects": str(effects),
            }  # fmt: skip
            file = folder / "bridge.toml"
            file.write_text(
                CONFIG.format(**{name: json.dumps(value) for name, value in values.items()}) + more, "utf-8"
            )
            config = load_config(env={"BRIDGE_MCP_CONFIG": str(file), "BRIDGE_MCP_STATE_DIR": str(folder / "state")})
            settled = anyio.Event()
            async with open_bridge(config, on_ready=settled.set) as assembly:
                with anyio.fail_after(PATIENCE_S):
                    await settled.wait()
                yield await inhabited(assembly.bridge, server, work, model, effects)


async def inhabited(
    bridge: Bridge, server: TelegramServer, work: TelegramServer, model: OpenAIServer, effects: Path
) -> Den:
    """The den with its people."""
    ann, bob, mallory = server.user("Ann"), server.user("Bob"), server.user("Mallory")
    group = server.supergroup("Family", [ann, bob, mallory], bot="administrator")
    for chat in (ann.id, bob.id, group.id):
        await bridge.pair_chat(OWNER, channel="family", chat=str(chat), role="approver" if chat == ann.id else "user")
    return Den(bridge, server, work, model=model, effects=effects, ann=ann, bob=bob, mallory=mallory, group=group)
