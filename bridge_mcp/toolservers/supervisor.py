"""Keeps one nested server connected, and runs calls on it.

One task per server owns its process and its connection: it starts and connects in the background, lists the tools,
follows changes, notices the end, reports why, and tries again with exponential back-off. Calls come from other tasks
and only borrow the connection. No failure of a server leaves its supervisor, so none reaches another server.

The client library is loaded on a thread when the task starts: importing this module does not import it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import anyio
import anyio.to_thread

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from bridge_mcp.core.schemas import canonical_schema
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec
from bridge_mcp.ports import Clock, Files, Pins, ServerState, ServerStatus, ToolProgress
from bridge_mcp.toolservers.allowed_tools import AllowedTools
from bridge_mcp.toolservers.connection import Connect, Connection, ConnectionHooks, Lost, RequestRefused, Unsent
from bridge_mcp.toolservers.diagnostics import explained, slow
from bridge_mcp.toolservers.orphan_reaper import Warden
from bridge_mcp.toolservers.process import Child, running
from bridge_mcp.toolservers.resource_tools import READ_RESOURCE, completion, texts
from bridge_mcp.toolservers.secret_scrubbing import scrubbed, scrubbing
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["FIRST_PAUSE_S", "Supervisor"]

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0
"""A connection that lasted this long was a good one: the back-off starts again."""
PATIENCE = 20
"""A child that runs and is silent gets this many times its time-out, before it is restarted."""
WHY_S = 1.0
"""How long a broken call waits for the reason why its server ended."""


def load() -> Connect:
    """Import the client library. Takes most of a second the first time."""
    import_module("jsonschema")  # needed later; importing it here does not block the event loop
    from bridge_mcp.toolservers.mcp_connection import connect

    return connect


@dataclass(slots=True)
class ConnectionAttempt:
    """One connection, from the attempt to connect to its end."""

    child: Child | None = None
    connection: Connection | None = None
    """Set while calls can be made."""
    was_ready: bool = False
    broken: str = ""
    stale: bool = False
    limit: asyncio.TimerHandle | None = None
    """The time-out of the attempt."""


class Supervisor:
    """One server. `run` is its task; the other methods may be called from any task of the same loop."""

    def __init__(
        self,
        server: ToolServer,
        warden: Warden,
        clock: Clock,
        on_change: Callable[[], None],
        pause_s: float = FIRST_PAUSE_S,
        pins: Pins | None = None,
        files: Files | None = None,
        tokens: Path | None = None,
        away: Callable[[], bool] = lambda: False,
    ) -> None:
        """`away` tells whether another process runs it now, and not this one."""
        self.server = server
        self.away = away
        self.offer = AllowedTools(server, pins)
        """Its tools. They stay while the server is away: a call of one connects it again."""
        self.status = ServerStatus(server.name, "connecting", since=clock.now())
        self.settled = anyio.Event()
        """Set once it has connected, or failed to connect."""
        self._warden = warden
        self._files = files
        self._tokens = tokens
        self._clock = clock
        self._on_change = on_change
        self._first_pause_s = pause_s
        self._attempt = ConnectionAttempt()
        self._lives = 0
        self._failures = 0  # attempts that failed
        self._ends = 0  # connections that ended
        self._waiting = 0  # calls that wait for a connection
        self._stopping = False
        self._again = False
        self._stage: anyio.CancelScope | None = None  # of the attempt, for `stop`
        self._nudge = anyio.Event()  # for the task: look again
        self._news = anyio.Event()  # for callers: look again

    # -- the task ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until asked to stop. The server's process has ended when this returns, cancelled or not."""
        backoff = Backoff(self._first_pause_s, LONGEST_PAUSE_S)
        try:
            await self._complete()
            while not self._stopping:
                began = self._clock.now()
                await self._connect_once()
                if self._clock.now() - began >= STEADY_S:
                    backoff.reset()
                with anyio.move_on_after(backoff.next()):
                    while not (self._stopping or self._waiting or self._again):
                        await self._nudged()
                self._again = False
        finally:
            self._attempt = ConnectionAttempt()
            self._publish("stopped")

    def stop(self) -> None:
        """End the task; an open connection is closed cleanly."""
        self._stopping = True
        if self._stage is not None:
            self._stage.cancel()
        self._nudge.set()

    def reconnect(self) -> None:
        """Close the connection and connect again at once; open calls end as if the server had gone away by itself."""
        self._again = True
        if self._attempt.connection is not None:
            self._down(self._attempt, "it is being connected again, as was asked")
        self._nudge.set()

    async def _complete(self) -> None:
        """Wait to be stopped if a setting is missing: only a restart of the bridge brings it."""
        if self.server.lacking:
            logger.warning("tool server '%s': %s", self.server.name, self.server.lacking)
            self._publish("degraded", self.server.lacking)
            while not self._stopping:
                await self._nudged()

    async def _connect_once(self) -> None:
        """One connection from beginning to end; reports why it ended."""
        attempt = self._attempt = ConnectionAttempt()
        self._lives += 1
        error: Exception | None = None
        try:
            await self._run_attempt(attempt)
        except Exception as exc:
            # A server or the client library may raise anything: it ends this connection, and nothing else.
            logger.debug("tool server '%s'", self.server.name, exc_info=exc)
            error = exc
        attempt.connection = None
        self._ends += 1
        self._failures += not attempt.was_ready
        if not self._stopping:
            reason = explained(self.server, error, attempt.child, attempt.broken, attempt.was_ready)
            if reason != self.status.error:
                logger.warning("tool server '%s': %s", self.server.name, reason)
            self._publish("degraded", reason)

    async def _run_attempt(self, attempt: ConnectionAttempt) -> None:
        """Load, start, connect, serve."""
        connect: Connect | None = None
        with anyio.CancelScope() as self._stage:
            connect = await anyio.to_thread.run_sync(load, abandon_on_cancel=True)
        if connect is None:
            return
        async with AsyncExitStack() as opened:
            if self.server.command and sys.platform != "win32":
                attempt.child = await opened.enter_async_context(running(self.server, self._warden))
            with self._time_to_connect(attempt) as self._stage:
                # Some servers of the older era crash on the newer one's first request: every second try does without
                # it.
                connection = await opened.enter_async_context(
                    connect(
                        self.server,
                        attempt.child,
                        "legacy" if self._failures % 2 else "auto",
                        ConnectionHooks(
                            lambda reason: self._down(attempt, reason),
                            lambda: self._outdated(attempt),
                            self._files,
                            tokens=self._tokens,
                        ),
                    )
                )
                await self.offer.take(connection)
                attempt.was_ready = True
                attempt.connection = None if attempt.broken else connection
            if attempt.was_ready:
                await self._serve(attempt)
            elif not self._stopping:
                raise TimeoutError

    @contextmanager
    def _time_to_connect(self, attempt: ConnectionAttempt) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled when connecting takes too long.

        A child that runs and has not answered yet is not killed at the time-out: many download their packages at the
        first start, and would begin again each time. This is reported, and the time-out is much longer then.
        """
        limit_s = 0.0 if self._stopping else self.server.connect_timeout_s
        with anyio.CancelScope() as scope:

            def overdue() -> None:
                child = attempt.child
                if child is None or child.spoke or child.exit_code is not None or self._stopping:
                    scope.cancel()
                else:
                    self._publish("degraded", slow(self.server, child))
                    attempt.limit = loop.call_later(limit_s * (PATIENCE - 1), scope.cancel)

            loop = asyncio.get_running_loop()
            attempt.limit = loop.call_later(limit_s, overdue)
            try:
                yield scope
            finally:
                attempt.limit.cancel()

    async def _serve(self, attempt: ConnectionAttempt) -> None:
        """Stay connected, and list the tools again when they have changed."""
        self._publish("ready")
        # Some servers report a change after each list: they are asked less and less often.
        backoff = Backoff(FIRST_PAUSE_S / 10, LONGEST_PAUSE_S)
        async with anyio.create_task_group() as tasks:
            if attempt.connection is not None:
                tasks.start_soon(attempt.connection.follow, lambda: self._outdated(attempt))
            while attempt.connection is not None and not self._stopping:
                if attempt.stale:
                    attempt.stale = False
                    with anyio.fail_after(self.server.connect_timeout_s):
                        await self.offer.take(attempt.connection)
                    self._publish("ready")
                    await self._quiet(attempt, backoff.next())
                    if not attempt.stale:
                        backoff.reset()
                else:
                    await self._nudged()
            tasks.cancel_scope.cancel()

    async def _quiet(self, attempt: ConnectionAttempt, pause: float) -> None:
        """Pause, but no longer than the connection lasts."""
        with anyio.move_on_after(pause):
            while attempt.connection is not None and not self._stopping:
                await self._nudged()

    async def recall(self) -> None:
        """Take the server's last list of tools, until it is connected. Call it before `run`.

        Raises:
            StoreError: the store cannot be read.
        """
        await self.offer.recall()
        self.status = self.offer.with_tools(self.status)

    async def _nudged(self) -> None:
        """Wait for a change. Nothing runs between the caller's check and this wait, so none is missed."""
        self._nudge = anyio.Event()
        await self._nudge.wait()

    def _down(self, attempt: ConnectionAttempt, reason: str) -> None:
        """The connection is broken."""
        attempt.broken = attempt.broken or reason
        attempt.connection = None
        self._nudge.set()

    def _outdated(self, attempt: ConnectionAttempt) -> None:
        """The tool list has changed."""
        attempt.stale = True
        self._nudge.set()

    def _publish(self, state: ServerState, error: str = "") -> None:
        """Publish the state of the server."""
        since = self.status.since if state == self.status.state else self._clock.now()
        now = ServerStatus(self.server.name, state, error=error, since=since, restarts=max(0, self._lives - 1))
        self.status = self.offer.with_tools(now)
        self.settled.set()
        self._news.set()
        self._news = anyio.Event()
        self._on_change()

    # -- for callers -------------------------------------------------------------------------------------------

    async def call(
        self, spec: ToolSpec, arguments: Mapping[str, JSON], progress: ToolProgress | None = None
    ) -> ToolResult:
        """Run a tool as `Toolbox.call` says. A call that surely was not sent is retried once."""
        limit_s = self.server.timeout_of(spec.tool)
        ends_at = anyio.current_time() + limit_s
        unsent, listener = "", scrubbing(self.server, progress)
        for _ in range(2):
            attempt, connection = await self._connected(ends_at)
            self._unchanged(spec)
            ends = self._ends
            try:
                with anyio.fail_after(ends_at - anyio.current_time()):
                    return scrubbed(self.server, await self._called(connection, spec.tool, arguments, listener))
            except Unsent as exc:
                unsent = str(exc)
                self._down(attempt, unsent)
            except RequestRefused as exc:
                raise ToolFailed(self._sentence(f"turned the call of '{spec.tool}' down: {exc}")) from exc
            except Lost as exc:
                reason = str(exc) if attempt.connection else await self._reason(ends, attempt.broken or str(exc))
                raise self._undecided(spec, f"broke off while '{spec.tool}' was running", reason) from exc
            except TimeoutError as exc:
                limit = f"the limit is timeout_s of [tool_servers.{self.server.name}]"
                raise self._undecided(spec, f"gave '{spec.tool}' no answer within {limit_s:g} s", limit) from exc
        raise ToolFailed(self._sentence(f"could not be reached for '{spec.tool}': {unsent}"))

    async def _called(
        self, connection: Connection, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None
    ) -> ToolResult:
        """One attempt of a call."""
        if tool not in self.offer.generated:
            return await connection.call(tool, arguments, progress)
        if tool == READ_RESOURCE:
            return await connection.read_resource(str(arguments.get("uri") or ""), completion(arguments))
        return await connection.get_prompt(
            str(arguments.get("name") or ""), texts(arguments.get("arguments")), completion(arguments)
        )

    async def _connected(self, ends_at: float) -> tuple[ConnectionAttempt, Connection]:
        """The connection; opens one if there is none.

        Raises:
            ToolFailed: there is none now, or not in time.
        """
        if self.away():
            raise ToolFailed(self._sentence("is run by another worker now"), fix="Ask for the call again.")
        attempt, connection = self._attempt, self._attempt.connection
        if connection is not None:
            return attempt, connection
        if self.server.lacking:
            raise ToolFailed(self._sentence(f"is not connected: {self.server.lacking}"))
        failures = self._failures
        self._waiting += 1
        self._nudge.set()
        try:
            with anyio.CancelScope(deadline=ends_at):
                while not (self._attempt.connection or self._stopping or self.away()) and self._failures == failures:
                    await self._news.wait()
        finally:
            self._waiting -= 1
        attempt, connection = self._attempt, self._attempt.connection
        if connection is None or anyio.current_time() >= ends_at:
            raise ToolFailed(self._sentence(f"is not connected: {self.status.error or 'it is still starting'}"))
        return attempt, connection

    def _unchanged(self, spec: ToolSpec) -> None:
        """Raise unless the server still has the tool that was decided on, with the same schema.

        Raises:
            ToolFailed: it has no such tool, or another one of this name.
        """
        tool = self.offer.tools.get(spec.tool)
        if tool is None:
            raise ToolFailed(
                self._sentence(f"has no tool '{spec.tool}' any more"), fix="Look at the tools there are now."
            )
        if tool.schema != spec.schema and canonical_schema(tool.schema) != canonical_schema(spec.schema):
            raise ToolFailed(self._sentence(f"has changed what '{spec.tool}' takes"), fix="Ask for the call again.")

    async def _reason(self, ends: int, meanwhile: str) -> str:
        """The reason why a broken connection ended, if it is known soon."""
        with anyio.move_on_after(WHY_S):
            while self._ends == ends:
                await self._news.wait()
            return self.status.error or meanwhile
        return meanwhile

    def _undecided(self, spec: ToolSpec, event: str, detail: str) -> ToolFailed:
        """The error for a call whose response was lost. A read-only tool cannot have changed anything."""
        if spec.read_only:
            return ToolFailed(self._sentence(f"{event}; it only reads, so nothing was changed ({detail.rstrip('.')})"))
        return ToolUncertain(self._sentence(f"{event}; it may have taken effect ({detail.rstrip('.')})"))

    def _sentence(self, event: str) -> str:
        """A sentence about this server, without secrets."""
        return self.server.scrub(f"The tool server '{self.server.name}' {event.rstrip('.')}.")
