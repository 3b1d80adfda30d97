"""litellm's process, seen from the bridge: started on demand, called over pipes, started again if it died.

A process and not a thread: litellm's import on a thread stalled the event loop for 80 to 360 ms at a time and left 210
MB here; with a process the longest stall is 10 to 20 ms. A call takes 0.2 ms longer, but the 6 to 13 ms of CPU that
litellm takes for it run on another core.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias, cast

import anyio
from msgspec import Struct

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.json_reader import JSON, MAX_SIZE
from bridge_mcp.core.line_buffer import LineBuffer, LongLine
from bridge_mcp.models.environment import litellm_environment
from bridge_mcp.models.errors import ProviderError, failed, redact
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import OnText

__all__ = ["LitellmAnswer", "LitellmProcess"]

log = logging.getLogger("bridge_mcp.models.litellm")

COMMAND = (sys.executable, "-P", "-m", "bridge_mcp.models.litellm_main")
LEAVE_S = 2.0
"""How long it may take to exit once its stdin is closed."""
KEPT_LINES = 20
"""Last lines of its stderr, for the error message if it dies."""

MAX_LINE = 2 * MAX_SIZE
"""Bytes of one line of its stdout: a whole answer in its envelope."""

Message: TypeAlias = Mapping[str, Any]


class LitellmAnswer(Struct, frozen=True):
    """A completion as litellm returns it, and its cost in US dollars by litellm's prices."""

    completion: Mapping[str, JSON]
    cost_usd: float | None


@dataclass(slots=True)
class WaitingCall:
    """A call that waits for its answer."""

    settings: ModelSettings
    answer: asyncio.Future[LitellmAnswer]
    on_chunk: Callable[[], None] | None
    on_text: OnText | None
    text: str = ""
    what: Literal["reply", "transcript"] = "reply"


class LitellmProcess:
    """One process for all models, bound to the event loop of the first call."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._starting = anyio.Lock()

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        running = self._running
        return None if running is None or running.ended else running.transport.get_pid()

    async def ready(self) -> None:
        """Start the process unless it runs, and wait until it has loaded litellm.

        Raises:
            ModelFailed: it cannot be started, or it cannot load litellm.
        """
        await self._ready()

    async def ask(
        self,
        settings: ModelSettings,
        body: Mapping[str, JSON],
        on_chunk: Callable[[], None] | None = None,
        on_text: OnText | None = None,
        what: Literal["reply", "transcript"] = "reply",
    ) -> LitellmAnswer:
        """One call, of a chat model or of one that hears; streamed with `on_chunk`, which is called at every chunk.

        Cancelling ends the call at the provider.

        Raises:
            ModelFailed: as the provider failed, or because the process ended meanwhile.
        """
        running = await self._ready()
        call = WaitingCall(settings, asyncio.get_running_loop().create_future(), on_chunk, on_text=on_text, what=what)
        number = running.ask(call, body)
        try:
            return await call.answer
        finally:
            running.forget(number)

    async def close(self) -> None:
        """End the process; open calls fail with `ModelFailed`. The next call starts it again."""
        running, self._running = self._running, None
        if running is not None:
            with anyio.CancelScope(shield=True):
                await running.stop()

    async def _ready(self) -> Running:
        running = self._running
        if running is None or running.ended:
            async with self._starting:
                running = self._running
                if running is None or running.ended:
                    running = self._running = await start()
        error = await asyncio.shield(running.loaded)
        if error is not None:
            raise error
        return running


async def start() -> Running:
    """Start a process that imports modules from the same paths as this one.

    Raises:
        ModelFailed: it cannot be started.
    """
    environment = litellm_environment(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        _, running = await asyncio.get_running_loop().subprocess_exec(
            Running, *COMMAND, env=environment, start_new_session=True
        )
    except OSError as exc:
        raise ModelFailed(f"litellm's process cannot be started: {exc}.", fix="Free memory and processes.") from exc
    return running


class Running(asyncio.SubprocessProtocol):
    """One run of the process: an asyncio subprocess protocol that matches answers to open calls."""

    transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        self.ended = False
        loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[ModelFailed | None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._calls: dict[int, WaitingCall] = {}
        self._numbers = count(1)
        self._buffers = {1: LineBuffer(MAX_LINE), 2: LineBuffer(MAX_LINE)}
        """By file descriptor: stdout and stderr."""
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    # -- to the process ---------------------------------------------------------------------------------------

    def ask(self, call: WaitingCall, body: Mapping[str, JSON]) -> int:
        """Send a call; returns its number."""
        number = next(self._numbers)
        self._calls[number] = call
        settings = call.settings
        section = {
            "name": settings.name,
            "model": settings.model,
            "api_key": settings.api_key,
            "base_url": settings.base_url,
            "timeout_s": settings.timeout_s,
        }
        streamed = call.on_chunk is not None
        self._tell({"id": number, "section": section, "body": body, "stream": streamed, "what": call.what})
        if self.ended:
            self._lose()
        return number

    def forget(self, number: int) -> None:
        """Stop waiting for an answer; if it has not come yet, cancel the call at the provider."""
        if self._calls.pop(number, None) is not None and not self.ended:
            self._tell({"id": number, "cancel": True})

    def _tell(self, message: Message) -> None:
        stdin = self.transport.get_pipe_transport(0)
        if not self.ended and stdin is not None:
            cast("asyncio.WriteTransport", stdin).write(json.dumps(message).encode() + b"\n")

    async def stop(self) -> None:
        """End the process: close its stdin, and kill it after `LEAVE_S`."""
        stdin = self.transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        with anyio.move_on_after(LEAVE_S):
            await asyncio.shield(self.gone)
        if not self.gone.done():
            self.transport.kill()
            await self.gone

    # -- from the process -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the process has started."""
        self.transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """asyncio's: bytes on stdout (1) or stderr (2)."""
        buffer = self._buffers[fd]
        for line in buffer.feed(data):
            if isinstance(line, LongLine):
                self._said_too_much()
            elif fd == 1:
                self._take(json.loads(line))
            elif text := line.decode(errors="replace").strip():
                self._lines.append(text)
                log.debug("%s", redact(text))
        if buffer.overflowed:
            self._said_too_much()

    def _said_too_much(self) -> None:
        """Kill the process: an answer that was too long was dropped, and would be waited for without an end."""
        if not self.ended:
            self._lines.append(f"it said more than {MAX_LINE:,} bytes at once")
            self.transport.kill()

    def process_exited(self) -> None:
        """asyncio's: the exit code is known; output may still come."""
        self.ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the process has exited, and all its output has been read."""
        self.ended = True
        self.transport.close()
        self._lose()
        self.gone.set_result(None)

    def _take(self, message: Message) -> None:
        if "log" in message:
            log.log(message["log"], "%s", message["text"])
        elif "id" not in message:
            if not self.loaded.done():
                failure = message.get("failed")
                self.loaded.set_result(ModelFailed(**failure) if failure else None)
        elif (call := self._calls.get(message["id"])) is not None:
            self._hear(message["id"], call, message)

    def _hear(self, number: int, call: WaitingCall, message: Message) -> None:
        if "completion" in message or "failed" in message:
            del self._calls[number]
            if call.answer.done():
                return
            if "failed" in message:
                call.answer.set_exception(ModelFailed(**message["failed"]))
            else:
                call.answer.set_result(LitellmAnswer(message["completion"], message["cost_usd"]))
            return
        if call.on_chunk is not None:
            call.on_chunk()
        if message.get("text") and call.on_text is not None:
            call.text += message["text"]
            call.on_text(call.text)

    def _lose(self) -> None:
        """Fail all open calls."""
        last = f": {self._lines[-1]}" if self._lines else ""
        error = ProviderError(f"litellm's process ended with {self.transport.get_returncode()}{last}", kind="broken")
        if not self.loaded.done():
            self.loaded.set_result(ModelFailed(f"{redact(error.message)}."))
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if not call.answer.done():
                call.answer.set_exception(failed(call.settings, error))
