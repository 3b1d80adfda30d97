"""Between a host and its server: every message passes as it came, in both directions, but for calls of tools.

This module reads the lines of both sides, and finds the calls and their responses, which `calls` takes care of. It
passes everything else on: the handshake of either era, resources, prompts, completion, logging,
progress, subscriptions, and what the server asks of its host (sampling, elicitation, roots).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.abc

from bridge_mcp.core.errors import BridgeError, ToolFailed
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.line_buffer import LongLine, TooLong
from bridge_mcp.gate import messages
from bridge_mcp.gate.calls import GatedCalls
from bridge_mcp.gate.host_calls import Answer, HostCall, Sent, ServerGone
from bridge_mcp.gate.messages import Body, Key, NotTaken, key_of
from bridge_mcp.gate.server_process import ServerProcess
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.toolservers.connection import ListedTool
from bridge_mcp.toolservers.message_size import MAX_MESSAGE, answered_id

__all__ = ["HostLines", "HostSink", "Relay"]

logger = logging.getLogger(__name__)

OWN = "bridge-mcp-gate-"
"""How the ids of the gate's own requests begin."""
METHOD = b'"method"'
OF_ONE_REQUEST = re.compile(r"(?i)^(progresstoken|traceparent|tracestate|baggage)$")
"""The fields of a request's `_meta` that belong to that request alone."""
LEAVE_S = 2.0
"""How long what is under way may take to end once one side has left."""
LIST_S = 20.0
"""How long a call waits for the server to list its tools: hosts were seen to cut calls near 60 seconds."""
UNLISTED = "The server did not answer which tools it has"


class HostLines(Protocol):
    """The lines of the host."""

    async def next(self) -> bytes | None:
        """The next one; None at their end. Raises `TooLong` where one was dropped."""
        ...


class HostSink(Protocol):
    """Takes lines for the host."""

    async def write(self, line: bytes) -> None:
        """Hand over a line, newline included. Raises `ConnectionError` once the host is gone."""
        ...


@dataclass(slots=True)
class OpenRequest:
    """A request that this process follows: one of the host's calls, or one of the gate's own."""

    server: ServerProcess
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    sent: bool = False
    came: anyio.Event = field(default_factory=anyio.Event)
    """There is a response, or there will be none."""
    found: tuple[Body, bytes] | None = None

    async def send(self, line: bytes) -> None:
        """Give it to the server."""
        self.sent = True
        await self.server.write(line)

    def take(self, message: Body, line: bytes) -> None:
        """Its response, as the server says it; nobody answers what was not asked, or a second time."""
        if not self.sent or self.found is not None:
            logger.warning(
                "the server answers a call that it was not given, or answers it again: this is not passed on"
            )
            return
        self.found = (message, line)
        self.came.set()

    async def response(self) -> tuple[Body, bytes]:
        """See `calls.Sent`."""
        if not self.came.is_set():  # waiting for what has come would take a turn of the loop
            await self.came.wait()
        if self.found is None:
            raise ServerGone
        return self.found


class Relay:
    """Passes messages on. `calls` is awaited by the first call: everything else goes through before it is there."""

    def __init__(
        self,
        host: HostLines,
        sink: HostSink,
        server: ServerProcess,
        tools: GuardedTools,
        calls: Callable[[], Awaitable[GatedCalls]],
    ) -> None:
        self._host = host
        self._sink = sink
        self._server = server
        self._tools = tools
        self._calls = calls
        self._open: dict[Key, OpenRequest] = {}
        self._lists: dict[Key, bool] = {}
        """The host's requests for lists of tools, and whether each is for a first page."""
        self.server_left = self._host_left = False
        self._own = 0
        self._ended = anyio.Event()
        """The server says no more."""
        self._over = anyio.Event()
        """One of the calls is over."""

    async def run(self) -> None:
        """Until the host or the server leaves. What the server has when the host does may still be answered.

        `server_left` then says whether the server was first.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow_server, tasks)
            await self._follow_host(tasks)
            self._host_left = True
            for request in self._open.values():
                if not request.sent:
                    request.scope.cancel()
            self._server.close_input()
            with anyio.move_on_after(LEAVE_S):
                await self._ended.wait()
            tasks.cancel_scope.cancel()

    # -- from the host ----------------------------------------------------------------------------------------

    async def _follow_host(self, tasks: anyio.abc.TaskGroup) -> None:
        while (data := await self._next()) is not None:
            try:
                message = messages.from_host(data)
                await self._from_host(message, messages.one_line(data), tasks)
            except NotTaken as exc:
                await self._say(exc.answer)

    async def _next(self) -> bytes | None:
        while True:
            try:
                return await self._host.next()
            except TooLong:
                logger.warning("a message of the host was too long and is lost")
                await self._say(messages.error(None, messages.INVALID_REQUEST, "This message is too long."))

    async def _from_host(self, message: Body, data: bytes, tasks: anyio.abc.TaskGroup) -> None:
        """Pass a message on, or begin with a call."""
        key, params = key_of(message.get("id")), message.get("params")
        match message.get("method"):
            case "tools/call":
                if key in self._open:
                    raise NotTaken(messages.INVALID_REQUEST, "A request with this id is under way.", message["id"])
                request = self._open[key] = OpenRequest(self._server)
                tasks.start_soon(self._call, key, HostCall(message, data, self._progress_of(params)), request)
                return
            case "tools/list" if "id" in message:
                self._lists[key] = not (isinstance(params, dict) and params.get("cursor"))
            case "notifications/cancelled" if isinstance(params, dict):
                taken_back = key_of(params.get("requestId"))
                if request := self._open.get(taken_back):
                    if request.sent:
                        await self._tell_server(data)
                    request.scope.cancel()
                    return
            case _:
                pass
        if str(message.get("id")).startswith(OWN) and "method" in message:
            raise NotTaken(messages.INVALID_REQUEST, f"Ids that begin with {OWN} are the gate's.", message["id"])
        await self._tell_server(data)

    def _progress_of(self, params: JSON) -> Callable[[float, str], Awaitable[None]] | None:
        meta = params.get("_meta") if isinstance(params, dict) else None
        if not isinstance(meta, dict) or "progressToken" not in meta:
            return None
        token = meta["progressToken"]

        async def tell(progress: float, words: str) -> None:
            params: dict[str, JSON] = {"progressToken": token, "progress": progress, "message": words}
            await self._say(messages.notification("notifications/progress", params))

        return tell

    async def _call(self, key: Key, call: HostCall, request: OpenRequest) -> None:
        """One call; whatever the gate meets, the host gets an answer, unless it took the call back."""
        answer: Answer | None = None
        try:
            with request.scope:
                answer = await self._answer_to(call, request)
        except BridgeError as exc:
            answer = self._broken(call, f"Not run: the gate cannot decide. {exc}")
        except Exception:
            logger.exception("a call of %s failed inside the gate", call.tool)
            answer = self._broken(call, "The gate failed at this call; whether it ran is unknown.")
        finally:
            self._open.pop(key, None)
            self._over.set()
            self._over = anyio.Event()
        if answer is not None:
            await self._give(call, answer)

    async def _answer_to(self, call: HostCall, request: OpenRequest) -> Answer:
        calls = await self._calls()
        tool = self._tools.known(call.tool) or await self._found(call)

        async def forward(changed: Body | None) -> Sent:
            await request.send(call.line + b"\n" if changed is None else messages.line(changed))
            return request

        return await calls.answer(call, tool, forward)

    async def _found(self, call: HostCall) -> ListedTool | None:
        """The tool of a call, for which the server may have to be asked for its list.

        Raises:
            ToolFailed: it gives none.
        """
        try:
            with anyio.fail_after(LIST_S):
                return await self._tools.find(call.tool, self._list, envelope(call.params))
        except TimeoutError:
            raise ToolFailed(f"{UNLISTED} within {LIST_S:g} s.", fix="Make the same call again later.") from None

    @staticmethod
    def _broken(call: HostCall, words: str) -> Answer:
        return Answer(result=messages.refused_call(words, modern=call.modern))

    async def _give(self, call: HostCall, answer: Answer) -> None:
        """Answer the host; nothing where the server has gone and has answered nothing."""
        request = call.message["id"]
        if answer.line:
            await self._say(answer.line + b"\n")
        elif answer.code:
            await self._say(messages.error(request, answer.code, answer.words))
        elif answer.result:
            await self._say(messages.answer(request, answer.result))

    # -- the server -------------------------------------------------------------------------------------------

    async def _list(self, params: dict[str, JSON]) -> Mapping[str, JSON]:
        """A page of the server's tools, for the gate itself.

        Raises:
            ToolFailed: the server gives none.
        """
        self._own += 1
        number = f"{OWN}{self._own}"
        request = self._open[key_of(number)] = OpenRequest(self._server)
        asked: Body = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": params}
        try:
            await request.send(messages.line(asked))
            body, _ = await request.response()
        except (ServerGone, OSError):
            raise ToolFailed(f"{UNLISTED}: it has ended.", fix="Start it again.") from None
        finally:
            del self._open[key_of(number)]
        result = body.get("result")
        if not isinstance(result, dict):
            raise ToolFailed(f"{UNLISTED}, but with an error.", fix="Make the same call again later.")
        return result

    async def _follow_server(self, tasks: anyio.abc.TaskGroup) -> None:
        """Pass on what the server says, until it says no more; then the calls under way end, and the gate."""
        while lines := await self._server.read():
            for line in lines:
                await self._from_server(line)
        self.server_left = not self._host_left
        self._ended.set()
        for request in self._open.values():
            request.came.set()
            if not request.sent:
                request.scope.cancel()
        with anyio.move_on_after(LEAVE_S):
            while self._open:
                await self._over.wait()
        tasks.cancel_scope.cancel()

    async def _from_server(self, line: bytes | LongLine) -> None:
        """Pass a line on, unless it answers a call, or a question of the gate's own."""
        if isinstance(line, LongLine):
            return await self._too_long(line)
        if not line.strip():
            return
        message = messages.from_server(line) or self._unread(line)
        if message is not None and "method" not in message:
            key = key_of(message.get("id"))
            request = self._open.get(key)
            if request is not None:
                return request.take(message, line)
            if str(message.get("id")).startswith(OWN):
                return None  # the gate waits for it no longer
            result = message.get("result")
            if key in self._lists and isinstance(result, dict):
                self._tools.page(result, first=self._lists.pop(key))
        elif message is not None and tools_changed(message):
            self._tools.changed()
        await self._say(line + b"\n")

    def _unread(self, line: bytes) -> Body | None:
        """An answer to a call that cannot be read here, without what it says: the host may read it."""
        ends = LongLine.of(line)
        number = answered_id(ends)
        return {"id": number, "result": {}} if key_of(number) in self._open and METHOD not in ends.head else None

    async def _too_long(self, line: LongLine) -> None:
        """Answer in the place of a message that is too long."""
        words = f"The server's answer has {line.size:,} bytes; at most {MAX_MESSAGE:,} pass the gate."
        logger.warning("a message of the server is lost: %s", words)
        request = answered_id(line)
        if request is not None:
            await self._from_server(messages.error(request, messages.INVALID_REQUEST, words).strip())

    async def _tell_server(self, line: bytes) -> None:
        try:
            await self._server.write(line if line.endswith(b"\n") else line + b"\n")
        except OSError as exc:
            logger.debug("the server does not listen any more: %s", exc)

    async def _say(self, line: bytes) -> None:
        try:
            await self._sink.write(line)
        except OSError as exc:
            logger.debug("the host does not listen any more: %s", exc)


def envelope(params: Mapping[str, JSON]) -> JSON:
    """The `_meta` that the newer era wants with every request, copied from one of the host's."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return None
    return {name: value for name, value in meta.items() if not OF_ONE_REQUEST.match(name)}


def tools_changed(message: Body) -> bool:
    """Whether a message announces a change of the tools."""
    return message.get("method") == "notifications/tools/list_changed"
