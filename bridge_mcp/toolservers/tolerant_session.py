"""What stands between a server's messages and the client's session: what is bent in them spoils nothing else.

The session refuses a whole page of tools for one of them. Here the page is kept as it came, for `listing`, and the
session is given those of it that it takes. A call's result that the session would refuse is put into one that it
takes, for `tolerant_results` to read.
"""

from __future__ import annotations

import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, cast

import anyio
from mcp import ClientSession
from mcp.client._transport import WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import CallToolResult, JSONRPCError, JSONRPCRequest, JSONRPCResponse, RequestId, methods
from pydantic import ValidationError

from bridge_mcp.toolservers.tolerant_results import ERAS, RAW_RESULT, sound

__all__ = ["Outgoing", "RelaySession", "TolerantStream"]


class Messages(Protocol):
    """A stream of a server's messages, as the SDK's transports give it."""

    async def receive(self) -> SessionMessage | Exception: ...
    async def aclose(self) -> None: ...


class RelaySession(ClientSession):
    """A session that does not hold results against the tool's output schema.

    The tool has run when its result is here: refusing it for a mistake in the schema would hide what it did.
    """

    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Take it as it is."""


class Closing(ABC):
    """An end of a stream as a context, at whose end it is closed."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the stream."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        await self.aclose()
        return None


class TolerantStream(Closing):
    """A stream of a server's messages, for its session. `ended` is called when there will be no more of them."""

    def __init__(self, reads: Messages, ended: Callable[[], None] = lambda: None) -> None:
        self._reads = reads
        self._ended = ended
        self.page: list[object] = []
        """The tools of the page that came last, as they came."""
        self.calls: set[RequestId] = set()
        """The ids of calls whose answer is still to come."""

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
        """Take the tools out of a page that the session would refuse."""
        tools = result.get("tools")
        if isinstance(tools, list):
            self.page = cast("list[object]", tools)
            if not taken(self.page):
                result["tools"] = [tool for tool in self.page if taken([tool])]

    async def aclose(self) -> None:
        """Close the stream."""
        await self._reads.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class Outgoing(Closing):
    """A stream of messages to a server, which tells the sieve of what comes back which are calls."""

    def __init__(self, writes: WriteStream[SessionMessage], sieve: TolerantStream) -> None:
        self._writes = writes
        self._sieve = sieve

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        message = item.message
        if isinstance(message, JSONRPCRequest) and message.method == "tools/call":
            self._sieve.calls.add(message.id)
        await self._writes.send(item)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._writes.aclose()


def straighten(result: dict[str, Any]) -> None:
    """Put a result that sessions would refuse into one that they take."""
    if not sound(result):
        raw = dict(result)
        result.clear()
        result.update({"content": [], "resultType": "complete", "_meta": {RAW_RESULT: raw}})


def taken(tools: list[object]) -> bool:
    """Whether sessions of both eras take these."""
    try:
        for version, more in ERAS.items():
            methods.validate_server_result("tools/list", version, {**more, "tools": tools})
    except ValidationError:
        return False
    return True
