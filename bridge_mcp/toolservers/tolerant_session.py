"""Filters a server's messages for the client's session, so that an invalid part spoils no other.

The session refuses a whole page of tools for one of them. Here the page is kept as it came, for `listing`, and the
session gets the valid tools of it. An invalid result of a call is put into a valid one, for `tolerant_results` to read.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, Protocol, cast

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.client._transport import WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse, RequestId, methods
from pydantic import ValidationError

from bridge_mcp.toolservers.tolerant_results import ERAS, RAW_RESULT, sound

__all__ = ["OutgoingStream", "TolerantStream"]


class MessageStream(Protocol):
    """A stream of a server's messages, as the SDK's transports make it."""

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises `anyio.EndOfStream`."""
        ...

    async def aclose(self) -> None:
        """Close the stream."""


class TolerantStream(ObjectReceiveStream[SessionMessage | Exception]):
    """A stream of a server's messages, filtered for its session. `ended` is called when it ends."""

    def __init__(self, reads: MessageStream, ended: Callable[[], None] = lambda: None) -> None:
        self._reads = reads
        self._ended = ended
        self.page: list[object] = []
        """The tools of the last page, unfiltered."""
        self.calls: set[RequestId] = set()
        """The ids of open calls."""

    @property
    def last_context(self) -> contextvars.Context | None:
        """The context in which the last message was sent."""
        return getattr(self._reads, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        try:
            item = await self._reads.receive()
        except anyio.EndOfStream:
            self._ended()
            raise
        if isinstance(item, SessionMessage):
            message = item.message
            if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id in self.calls:
                self.calls.discard(message.id)
                if isinstance(message, JSONRPCResponse):
                    straighten(message.result)
            elif isinstance(message, JSONRPCResponse):
                self._sift(message.result)
        return item

    def _sift(self, result: dict[str, Any]) -> None:
        """Remove the tools from a page that the session would refuse."""
        tools = result.get("tools")
        if isinstance(tools, list):
            self.page = cast("list[object]", tools)
            if not accepted(self.page):
                result["tools"] = [tool for tool in self.page if accepted([tool])]

    async def aclose(self) -> None:
        """Close the stream."""
        await self._reads.aclose()


class OutgoingStream(ObjectSendStream[SessionMessage]):
    """A stream of messages to a server, which notes the ids of calls in the `incoming` one."""

    def __init__(self, writes: WriteStream[SessionMessage], incoming: TolerantStream) -> None:
        self._writes = writes
        self._incoming = incoming

    async def send(self, item: SessionMessage) -> None:
        """Send a message."""
        message = item.message
        if isinstance(message, JSONRPCRequest) and message.method == "tools/call":
            self._incoming.calls.add(message.id)
        await self._writes.send(item)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._writes.aclose()


def straighten(result: dict[str, Any]) -> None:
    """Put a result that sessions would refuse into one that they accept, in place."""
    if not sound(result):
        raw = dict(result)
        result.clear()
        result.update({"content": [], "resultType": "complete", "_meta": {RAW_RESULT: raw}})


def accepted(tools: list[object]) -> bool:
    """Whether sessions of both eras accept these tools."""
    try:
        for version, extra in ERAS.items():
            methods.validate_server_result("tools/list", version, {**extra, "tools": tools})
    except ValidationError:
        return False
    return True
