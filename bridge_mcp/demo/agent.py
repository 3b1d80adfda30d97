"""The supervising agent of the demo: the MCP SDK's client, which starts a bridge as its child, as hosts do."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TextIO, TypeAlias

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.demo.stage import Stage
from bridge_mcp.demo.transcript import Transcript

__all__ = ["JSONObject", "NotShown", "Supervisor", "supervised"]

JSONObject: TypeAlias = dict[str, Any]

WAIT_S = 20.0
"""How long one event may take to come."""
CUT_S = 5.0


class NotShown(BridgeError):
    """The demo did not show what it promises."""

    code = "demo"


class Supervisor:
    """Calls tools, follows events, and tells what it sees."""

    def __init__(self, client: Client, pid: int, transcript: Transcript) -> None:
        self.pid = pid
        self.cursor = 0
        """The event up to which all was told."""
        self.transcript = transcript
        self._client = client
        self._ahead: list[JSONObject] = []

    def verify(self, claim: str, holds: bool) -> None:
        """Check a condition.

        Raises:
            NotShown: it is not.
        """
        if not holds:
            raise NotShown(f"it is not so that {claim}.")
        self.transcript.verified(claim)

    async def call(self, tool: str, **arguments: Any) -> JSONObject:
        """Call a tool of the bridge and tell of it."""
        arguments_in_words = ", ".join(f"{name}={brief(value)}" for name, value in arguments.items())
        self.transcript.says("supervisor", f"→ {tool}({arguments_in_words})")
        return await answered(self._client, tool, arguments)

    async def until(self, event_type: str) -> JSONObject:
        """The body of the next event of this type; what happens before it is told."""
        if not self._ahead:
            self.transcript.says("supervisor", f"→ wait_for_events(after={self.cursor})")
        with anyio.move_on_after(WAIT_S):
            while True:
                while self._ahead:
                    event = self._ahead.pop(0)
                    self.cursor = event["cursor"]
                    self.tell(event["type"], event["body"])
                    if event["type"] == event_type:
                        return event["body"]
                page = await answered(self._client, "wait_for_events", {"after": self.cursor, "timeout_s": WAIT_S})
                self._ahead.extend(page["events"])
        raise NotShown(f"no {event_type} came within {WAIT_S:g} s.")

    def tell(self, kind: str, body: JSONObject) -> None:
        """Tell of one event that `wait_for_events` gave."""
        match kind:
            case "message.received":
                self.transcript.says("chat", f"{body['from']['name']}: {body['text']}")
            case "message.sent" | "turn.finished":
                self.transcript.says("chat", f"{body.get('by', 'assistant')}: {body['text']}")
            case "tool.started":
                self.transcript.says("bridge", f"runs {body['tool']}, cleared by: {body['cleared_by']}")
            case "approval.requested":
                call = f"{body['tool']} {json.dumps(body['arguments'])} waits for a verdict: {body['reason']}"
                self.transcript.says("bridge", f"{call}\n{body['approval']}, digest {brief(body['digest'])}")
            case "approval.decided":
                self.transcript.says("bridge", f"{body['approval']} is {body['verdict']} by {body['by']}")
            case _:
                pass

    async def is_cut_off(self) -> bool:
        """Whether the bridge no longer answers."""
        with anyio.move_on_after(CUT_S):
            try:
                while True:
                    await answered(self._client, "get_status", {})
            except (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError):
                return True
        return False


def brief(value: object) -> str:
    """Return a value as the transcript shows it; digests are shortened."""
    return f"{value[:19]}…" if isinstance(value, str) and value.startswith("sha256:") else json.dumps(value)


@asynccontextmanager
async def supervised(
    stage: Stage, transcript: Transcript, log: TextIO, dead: int | None = None
) -> AsyncGenerator[Supervisor]:
    """A bridge as a child process, and the agent that supervises it; both have ended afterwards.

    `dead` is the process that was killed before, of which the store still tells.
    """
    child = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "bridge_mcp", "--config", str(stage.config)],
        env=stage.environment(),
        cwd=str(stage.root),
    )
    failure: BaseException | None = None
    async with Client(stdio_client(child, log)) as client:
        try:
            await client.list_tools()
            yield Supervisor(client, await engine_pid(client, dead), transcript)
        except (Exception, SystemExit) as exc:  # not wrapped into a group by the client's tasks
            failure = exc
    if failure is not None:
        raise failure


async def engine_pid(client: Client, dead: int | None) -> int:
    """The process behind the pipe, once it is the engine: it starts when it has answered the first questions."""
    while True:
        status = await answered(client, "get_status", {})
        pid = status["engine_pid"]
        if status["role"] == "engine" and pid not in (None, dead):
            return int(pid)
        await anyio.sleep(0.02)


async def answered(client: Client, tool: str, arguments: JSONObject) -> JSONObject:
    """What a tool answers, whole in both of its halves.

    Raises:
        NotShown: it is an error, or the halves differ.
    """
    result = await client.call_tool(tool, arguments)
    text = "".join(getattr(block, "text", "") for block in result.content)
    if result.is_error:
        raise NotShown(f"{tool} answered: {text}")
    if result.structured_content is None or json.loads(text) != result.structured_content:
        raise NotShown(f"{tool} does not say the same in its text and in its structured content.")
    return result.structured_content
