"""All nested servers as one box of tools: names, allow-lists, confirmation, argument checks. A `Toolbox`.

Knows the servers only through their supervisors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from msgspec.structs import replace

from bridge_mcp.core.errors import BadInput, ConfigError, StoreError, ToolFailed
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec, arguments_text, tool_names
from bridge_mcp.ports import CallContext, Clock, Files, Pins, ServerStatus, ToolProgress
from bridge_mcp.toolservers.call_trace import called_in
from bridge_mcp.toolservers.orphan_reaper import Warden
from bridge_mcp.toolservers.schemas import Schemas
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.supervisor import FIRST_PAUSE_S, Supervisor

__all__ = ["NestedToolbox"]

logger = logging.getLogger(__name__)


class NestedToolbox:
    """The tools of these servers, connected in the background from `start` to `close`.

    Used as an async context manager, it has a task group of its own; or `start` it in one of yours and `close` it
    before that ends.

    Args:
        servers: in the order in which tools are listed.
        clock: tells the time.
        on_change: called in the event loop whenever tools or states have changed; it must not block.
        pause_s: the pause after a server's first failure; it doubles with each further one, up to 30 s.
        pins: stores trusted definitions of tools; without it, no change of them is noticed.
        files: stores the bytes of results; without it, they are left out and named.
        tokens: the folder of OAuth tokens.
        holds: whether this process is the one that runs a server, of those with `run = "one"`; without it, this process
            alone has servers. With it, these run while `live` does, and `follow` tells how they are elsewhere.
    """

    def __init__(
        self,
        servers: Iterable[ToolServer],
        *,
        clock: Clock,
        on_change: Callable[[], None] = lambda: None,
        pause_s: float = FIRST_PAUSE_S,
        pins: Pins | None = None,
        files: Files | None = None,
        tokens: Path | None = None,
        holds: Callable[[str], bool] | None = None,
    ) -> None:
        self._holds = holds
        self._followed: dict[str, ServerStatus] = {}
        """The last known status of servers that other processes run."""
        self._warden = Warden()
        self._schemas = Schemas(self._look_again)
        self._on_change = on_change
        self._supervisors: dict[str, Supervisor] = {}
        for server in servers:
            if server.name in self._supervisors:
                raise ConfigError(f"Two tool servers are called '{server.name}'.", fix="Give each its own name.")
            away = partial(self.is_away, server)
            supervisor = Supervisor(server, self._warden, clock, self._look_again, pause_s, pins, files, tokens, away)
            self._supervisors[server.name] = supervisor
        self._tools: tuple[ToolSpec, ...] = ()
        self._published: tuple[tuple[ToolSpec, ...], tuple[ServerStatus, ...]] = ((), self.status())
        self._running: list[anyio.Event] = []
        self._looking = anyio.CancelScope()
        self._listed = anyio.Event()
        self._own_tasks: TaskGroup | None = None

    # -- life --------------------------------------------------------------------------------------------------

    async def recall(self) -> None:
        """Take the servers' last lists of tools, until each is connected. Call it before `start`."""
        for supervisor in self._supervisors.values():
            try:
                await supervisor.recall()
            except StoreError as exc:
                logger.warning("tool server '%s': %s", supervisor.server.name, exc)
            if supervisor.away() and supervisor.offer.tools:
                supervisor.settled.set()  # no turn waits for what another process does
        self._look_again()

    def start(self, tasks: TaskGroup) -> None:
        """Start to connect, in this task group. Returns at once."""
        for name, supervisor in self._supervisors.items():
            if name in self.shared:
                continue
            ended = anyio.Event()
            self._running.append(ended)
            tasks.start_soon(self._run, supervisor, ended)
        tasks.start_soon(self._look_at_schemas)

    @property
    def shared(self) -> tuple[str, ...]:
        """The servers that one of several processes runs for all."""
        supervisors = self._supervisors.items()
        return tuple(name for name, each in supervisors if self._holds is not None and each.server.run == "one")

    def is_away(self, server: ToolServer) -> bool:
        """Whether another process is to run this server, and not this one."""
        return self._holds is not None and server.run == "one" and not self._holds(server.name)

    async def live(self, name: str) -> None:
        """Run one of `shared`, until cancelled."""
        self._followed.pop(name, None)
        await self._supervisors[name].run()

    async def follow(self, statuses: Mapping[str, ServerStatus]) -> None:
        """Take the status of servers of `shared` that other processes run; a new one: their tools are read again."""
        for name in self.shared:
            supervisor, status = self._supervisors[name], statuses.get(name)
            if status is None or status == self._followed.get(name) or not supervisor.away():
                continue
            try:
                await supervisor.recall()
            except StoreError as exc:
                logger.warning("tool server '%s': %s", name, exc)
                continue
            self._followed[name], supervisor.status = status, supervisor.offer.with_tools(status)
            if status.state != "connecting":
                supervisor.settled.set()
            self._look_again()

    @property
    def shared_status(self) -> dict[str, ServerStatus]:
        """The status of the servers of `shared` that run here, for `follow` in the other processes."""
        running = [each for name in self.shared if not (each := self._supervisors[name]).away()]
        # What servers say of themselves is read from the store.
        return {each.server.name: replace(each.status, instructions="", in_prompts="", withheld=()) for each in running}

    async def _look_at_schemas(self) -> None:
        """Examine the schemas of a new list before its tools are called."""
        examined: tuple[ToolSpec, ...] = ()
        with self._looking:
            while True:
                await self._listed.wait()
                self._listed = anyio.Event()
                before, examined = {(spec.name, spec.schema) for spec in examined}, self._tools
                await self._schemas.look(spec for spec in examined if (spec.name, spec.schema) not in before)

    async def look(self, timeout_s: float) -> None:
        """Examine the schemas now, within this time."""
        with anyio.move_on_after(timeout_s):
            await self._schemas.look(self._tools)

    async def _run(self, supervisor: Supervisor, ended: anyio.Event) -> None:
        """A supervisor's task."""
        try:
            await supervisor.run()
        finally:
            ended.set()

    def reconnect(self) -> None:
        """Connect every server again. Returns at once."""
        for supervisor in self._supervisors.values():
            supervisor.reconnect()

    async def close(self) -> None:
        """End all connections and processes concurrently. Takes a few seconds at most; closing twice is fine."""
        self._looking.cancel()
        for supervisor in self._supervisors.values():
            supervisor.stop()
        with anyio.CancelScope(shield=True):
            for ended in self._running:
                await ended.wait()
            await anyio.to_thread.run_sync(self._warden.close)
            await self._schemas.close()

    async def __aenter__(self) -> Self:
        self._own_tasks = anyio.create_task_group()
        self.start(await self._own_tasks.__aenter__())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.close()
        assert self._own_tasks is not None
        return await self._own_tasks.__aexit__(kind, error, trace)

    # -- the port ----------------------------------------------------------------------------------------------

    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools there are now: by server as configured, then by the server's own name for them."""
        return self._tools

    def status(self) -> tuple[ServerStatus, ...]:
        """The status of each server, in the order of the config."""
        statuses = tuple(supervisor.status for supervisor in self._supervisors.values())
        return with_unchecked(statuses, self._schemas.unchecked, self._tools) if self._schemas.unchecked else statuses

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Wait until each of these has connected or failed once, or until the time-out."""
        settled = [self._supervisors[name].settled for name in servers if name in self._supervisors]
        if all(each.is_set() for each in settled):
            return  # as nearly always; a scope with a deadline costs more than all else here
        with anyio.move_on_after(timeout_s):
            for each in settled:
                await each.wait()

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
        *,
        context: CallContext | None = None,
        progress: ToolProgress | None = None,
    ) -> ToolResult:
        """Run a tool; see `Toolbox`."""
        supervisor = self._supervisors.get(spec.server)
        if supervisor is None:
            raise ToolFailed(f"There is no tool server '{spec.server}'.", fix="Look at the tools there are now.")
        try:
            arguments_text(arguments)
        except BadInput as exc:
            raise ToolFailed(f"'{spec.name}' was not called. {exc}") from None
        with called_in(context.trace if context is not None else None):
            return await supervisor.call(spec, arguments, progress)

    async def accept(self, spec: ToolSpec) -> None:
        """Trust a tool as it is in `spec`; see `Toolbox`."""
        supervisor = self._supervisors.get(spec.server)
        if supervisor is not None:
            await supervisor.offer.pinning.accept(spec.tool, spec)
            supervisor.status = supervisor.offer.with_tools(supervisor.status)
            self._look_again()

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """The error of these arguments by the tool's schema; "" for none."""
        return await self._schemas.complaint(spec, arguments)

    # -- keeping up ----------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        """Collect the tools again, and call `on_change` if anything has changed."""
        self._tools = self._collected()
        current = (self._tools, self.status())
        if current != self._published:
            self._published = current
            self._listed.set()
            self._on_change()

    def _collected(self) -> tuple[ToolSpec, ...]:
        """All tools, by their names in the bridge (`server__tool`)."""
        pairs = [(s, tool) for s in self._supervisors.values() for tool in s.offer.tools.values()]
        names = tool_names((supervisor.server.name, tool.name) for supervisor, tool in pairs)
        return tuple(
            ToolSpec(
                name=names[supervisor.server.name, tool.name],
                server=supervisor.server.name,
                tool=tool.name,
                description=tool.description,
                schema=tool.schema,
                read_only=tool.read_only,
                destructive=tool.destructive,
                idempotent=tool.idempotent,
                open_world=tool.open_world,
                confirmation=supervisor.server.confirmation_of(tool.name),
                changed=supervisor.offer.pinning.change_of(tool.name),
                listed=tool.listed,
                gives=supervisor.offer.generated.get(tool.name, ""),
            )
            for supervisor, tool in pairs
        )


def with_unchecked(
    statuses: tuple[ServerStatus, ...], unchecked: Mapping[str, str], tools: Iterable[ToolSpec]
) -> tuple[ServerStatus, ...]:
    """The statuses, with a note on the tools whose arguments cannot be checked."""
    names_by_server: dict[str, list[str]] = {}
    for spec in tools:
        if spec.name in unchecked:
            names_by_server.setdefault(spec.server, []).append(spec.name)
    return tuple(
        replace(each, error=f"{each.error} {unchecked_note(names_by_server[each.name], unchecked)}".strip())
        if each.name in names_by_server
        else each
        for each in statuses
    )


def unchecked_note(tools: list[str], unchecked: Mapping[str, str]) -> str:
    first, more = tools[0], f" and of {len(tools) - 1} more" if len(tools) > 1 else ""
    return f"Arguments of {first}{more} are not checked ({visible(unchecked[first])}): the server is the judge."
