"""The published MCP client, connected to the face in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import httpx2
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from bridge_mcp.core.policy import SCOPES
from tests.integration.answer_schemas import check_answer

ROOT = Path(__file__).parents[2]
MODULE = "tests.integration.face_child"
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}
"""How the client is told to come to speak either era: by the handshake, or by finding out what the server serves."""
ERAS = tuple(MODES)
WAIT_S = 20.0

Stream: TypeAlias = int | IO[bytes]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", MODULE, *map(str, arguments)]


@asynccontextmanager
async def over_stdio(era: str, state: Path, scopes: Sequence[str] = SCOPES, **options: Any) -> AsyncGenerator[Client]:
    """A client over real pipes to a child process."""
    program, *arguments = command("stdio", state, ",".join(scopes))
    child = StdioServerParameters(command=program, args=arguments, cwd=ROOT, env=dict(os.environ))
    async with Client(child, mode=MODES[era], **options) as client:
        assert client.protocol_version == era
        yield client


@contextmanager
def child_serving(state: Path) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """A child process that serves HTTP, and the address of its MCP endpoint."""
    child = subprocess.Popen(command("http", state), cwd=ROOT, stdout=subprocess.PIPE)
    try:
        port = int(cast("IO[bytes]", child.stdout).readline())
        yield child, f"http://127.0.0.1:{port}/mcp"
    finally:
        child.kill()
        child.wait()
        cast("IO[bytes]", child.stdout).close()


@contextmanager
def served_http(state: Path) -> Generator[str]:
    """The address of a child process's MCP endpoint; the child has to end in order."""
    with child_serving(state) as (child, address):
        yield address
        child.send_signal(signal.SIGTERM)
        assert child.wait(WAIT_S) == 0


@asynccontextmanager
async def over_http(era: str, address: str, token: str, **options: Any) -> AsyncGenerator[Client]:
    """A client over Streamable HTTP with a bearer token."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=WAIT_S) as http:
        transport = streamable_http_client(address, http_client=http)
        async with Client(transport, mode=MODES[era], **options) as client:
            assert client.protocol_version == era
            yield client


async def answer(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """What a tool answers; both halves of the result have to say the same, as the tool's schema has it."""
    result = await called(client, tool, arguments)
    assert not result.is_error, text_of(result)
    assert json.loads(text_of(result)) == result.structured_content
    check_answer(tool, result.structured_content)
    return cast("dict[str, Any]", result.structured_content)


async def refusal(client: Client, tool: str, /, **arguments: Any) -> tuple[str, str, str]:
    """Code, message and fix of a call that has to fail; the text has to say both."""
    result = await called(client, tool, arguments)
    assert result.is_error, text_of(result)
    error = cast("dict[str, dict[str, str]]", result.structured_content)["error"]
    assert set(error) == {"code", "message", "fix"}
    assert text_of(result).split() == f"{error['message']} {error['fix']}".split()
    return error["code"], error["message"], error["fix"]


async def deletion(client: Client, conversation: str, name: str) -> dict[str, Any]:
    """Have the assistant ask for a deletion; the approval that it waits for, and under `turn` the turn's ticket."""
    turn = await answer(client, "run_turn", conversation=conversation, text=f"delete {name}", wait_s=0)
    while not turn["approvals"]:
        assert turn["state"] == "open", turn
        turn = await answer(client, "wait_for", ticket=turn["id"], timeout_s=0.1)
    (approval,) = (await answer(client, "list_approvals", conversation=conversation))["approvals"]
    return approval | {"turn": turn["id"]}


async def called(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async with asyncio.timeout(WAIT_S):
        return await client.call_tool(tool, arguments)


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


class RawChild:
    """A child over plain pipes, line by line, for what no honest client sends."""

    def __init__(
        self,
        state: Path,
        *,
        loop: str = "asyncio",
        scopes: Iterable[str] = SCOPES,
        stdin: Stream = subprocess.PIPE,
        stdout: Stream = subprocess.PIPE,
    ) -> None:
        arguments = command("stdio", state, ",".join(scopes), loop)
        self.process = subprocess.Popen(arguments, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, cwd=ROOT)
        self.next_id = 0

    def send(self, line: bytes) -> None:
        stdin = cast("IO[bytes]", self.process.stdin)
        stdin.write(line + b"\n")
        stdin.flush()

    def receive(self) -> dict[str, Any]:
        line = cast("IO[bytes]", self.process.stdout).readline()
        assert line, "the child closed its output"
        return cast("dict[str, Any]", json.loads(line))

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response to a request; notifications that come before it are passed over."""
        self.next_id += 1
        asked = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params or {}}
        self.send(json.dumps(asked).encode())
        while (response := self.receive()).get("id") != self.next_id:
            pass
        return response

    def greet(self) -> None:
        """The handshake."""
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        assert self.ask("initialize", hello)["result"]["serverInfo"]["name"] == "bridge-mcp"
        self.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        if not result.get("isError") and "structuredContent" in result:
            check_answer(tool, result["structuredContent"])
        return result

    def close(self) -> int:
        """End the input; the exit code."""
        cast("IO[bytes]", self.process.stdin).close()
        return self.process.wait(WAIT_S)


@contextmanager
def raw(state: Path, *, loop: str = "asyncio", scopes: Iterable[str] = SCOPES) -> Generator[RawChild]:
    """A raw child that has shaken hands and is gone at the end, however the test ends."""
    child = RawChild(state, loop=loop, scopes=scopes)
    try:
        child.greet()
        yield child
    finally:
        child.process.kill()
        child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()
