"""MCP over a child's raw pipes, as a transport of the FastMCP client. Knows the child, not why it was started.

A request that has not reached the child whole is answered here, with `UNSENT`: the caller then knows that it did not
run. Lines that are no messages are kept for the error text, and never end the connection.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Unpack

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp.client.transports import ClientTransport
from fastmcp.client.transports.base import SessionKwargs, TransportOptions
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from mcp_types import CallToolResult, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCRequest, jsonrpc_message_adapter

from bridge_mcp.toolservers.child import Child, PipeBroken

__all__ = ["MAX_MESSAGE", "UNSENT", "Lines", "PipeTransport", "RelaySession", "parse"]

UNSENT = -770_001
"""Our own error code, outside of every reserved range: the request surely did not reach the server."""
MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message: room for images and files, and an end to a server that never ends its line."""


class RelaySession(ClientSession):
    """A session that does not hold results against the tool's output schema.

    The tool has run when its result is here: refusing it for a mistake in the schema would hide what it did.
    """

    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Take it as it is."""


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their ends."""
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join((*self.parts, whole[0]))
            self.parts, self.size = [], 0
        self.parts.append(rest)
        self.size += len(rest)
        return whole


def parse(line: bytes) -> JSONRPCMessage | None:
    """The message in a line, None if there is none.

    Lone surrogates and bytes that are not UTF-8 are replaced: the strict parser refuses the whole message for one of
    them, and its caller would wait for ever.
    """
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        pass  # the second reading below is the answer to it
    try:
        value: object = json.loads(line.decode("utf-8", "replace"))
        mended = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return jsonrpc_message_adapter.validate_json(mended, by_name=False)
    except ValueError:
        return None


class PipeTransport(ClientTransport):
    """Speaks MCP with one running child. `down` is called, with the reason, when no more can be said or heard."""

    def __init__(self, child: Child, down: Callable[[str], None]) -> None:
        self.child = child
        self.down = down

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncGenerator[ClientSession]:
        """One session; the transport serves no second one."""
        to_session, from_child = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_child, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.hear, to_session)
            tasks.start_soon(self.say, from_session, to_session)
            async with RelaySession(from_child, to_child, **session_kwargs) as session:
                yield session
            tasks.cancel_scope.cancel()

    async def hear(self, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Pass on what the child says, until it says no more."""
        lines = Lines()
        async with to_session:
            while lines.size <= MAX_MESSAGE and (data := await self.child.read()):
                for line in lines.feed(data):
                    message = parse(line)
                    if message is None:
                        self.child.said(f"on stdout: {line[:1000].decode('utf-8', 'replace')}")
                    else:
                        await to_session.send(SessionMessage(message))
            too_long = lines.size > MAX_MESSAGE
            self.down(f"sent a line of more than {MAX_MESSAGE:,} bytes" if too_long else "closed its stdout")

    async def say(
        self,
        from_session: MemoryObjectReceiveStream[SessionMessage],
        to_session: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        """Pass on what the session says, and answer what can no longer be passed on."""
        async with from_session:
            async for sent in from_session:
                try:
                    data = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await self.child.write(data.encode() + b"\n")
                except PipeBroken as exc:
                    if isinstance(sent.message, JSONRPCRequest):
                        error = ErrorData(code=UNSENT, message=f"the server no longer reads its stdin ({exc})")
                        answer = JSONRPCError(jsonrpc="2.0", id=sent.message.id, error=error)
                        with suppress(anyio.ClosedResourceError):  # its stdout has ended too: all are answered so
                            await to_session.send(SessionMessage(answer))
