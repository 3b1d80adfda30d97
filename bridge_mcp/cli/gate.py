"""The command `gate`: a gate before an MCP server, started by a host in the place of the server's own command."""

from __future__ import annotations

import gc
import logging
import os
from asyncio import Event, get_running_loop
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from msgspec import Struct

from bridge_mcp.cli.run import loop, prepare, report
from bridge_mcp.cli.start_options import GateOptions
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.tools import JSON
from bridge_mcp.gate.calls import GatedCalls
from bridge_mcp.gate.identity import NAME, GuardedServer, name_for
from bridge_mcp.gate.relay import Relay
from bridge_mcp.gate.server_process import started
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.operations.external_calls import ExternalCalls
from bridge_mcp.server.stdio.lifetime import settle, stop_on_signals, wait_until_orphaned
from bridge_mcp.server.stdio.line_io import open_lines
from bridge_mcp.server.stdio.reserve_fds import Wire, claim

if TYPE_CHECKING:
    from bridge_mcp.assembly import Assembly

__all__ = ["serve"]

logger = logging.getLogger(__name__)

ENGINE_S = 2.0
"""How long after the start this process may become the engine: the host's handshake comes first."""
ASKED_S = 0.1
"""The same after the first call, which may have to be asked about."""


def serve(options: GateOptions) -> int:
    """Stand before a server until its host leaves (0), or it ends (its own exit code, 1 where it has to be made to)."""
    wire = claim()
    try:
        if not options.command:
            raise BadInput("There is no server's command.", fix="Write: bridge-mcp gate -- COMMAND ARGUMENTS")
        name = options.name or name_for(options.command)
        if not NAME.fullmatch(name):
            raise BadInput(f"--name: '{name[:40]}' is not a name.", fix="Use up to 32 letters, digits, '_' or '-'.")
        config = prepare(options.config, options.log_level, "warning", json=options.log_json)
        return loop(run, config, GuardedServer(name, options.command, os.getcwd()), options.hold_s, wire, serving=True)
    except BridgeError as exc:
        return report(exc)


class OpenBridge:
    """The bridge behind a gate, opened while host and server already talk: only calls wait for it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._there = anyio.Event()
        self._closed = anyio.Event()
        self._assembly: Assembly | None = None
        self._failed: BridgeError | None = None
        self.caller = ""

    async def run(self) -> None:
        """Hold it open until `close`. That it cannot be opened is told to each call."""
        try:
            assembly = await anyio.to_thread.run_sync(import_module, "bridge_mcp.assembly")
            async with (
                assembly.open_bridge(self._config, engine="soon", on_ready=gc.freeze) as opened,
                opened.callers.held() as self.caller,
            ):
                self._assembly = opened
                self._there.set()
                get_running_loop().call_later(ENGINE_S, opened.want_engine)
                await self._closed.wait()
        except BridgeError as exc:
            logger.error("the gate lets no call through: %s", exc)
            self._failed = exc
            self._there.set()

    async def assembly(self) -> Assembly:
        """The bridge.

        Raises:
            BridgeError: it cannot be opened.
        """
        if self._assembly is None:
            await self._there.wait()
        if self._assembly is None:
            raise self._failed or BridgeError("The bridge is not open.")
        return self._assembly

    def close(self) -> None:
        """Close it again."""
        self._closed.set()


class LatePins(Struct, frozen=True):
    """The pins of a store that is still being opened: whoever needs them waits for it."""

    bridge: OpenBridge

    async def load(self, subject: str) -> Mapping[str, JSON]:
        """See `ports.Pins`."""
        return await (await self.bridge.assembly()).store.tool_pins.load(subject)

    async def keep(self, subject: str, pinned: Mapping[str, JSON]) -> None:
        """See `ports.Pins`."""
        await (await self.bridge.assembly()).store.tool_pins.keep(subject, pinned)


async def run(config: Config, server: GuardedServer, hold_s: float, wire: Wire) -> int:
    """Relay between the host and the server, and open the bridge beside that; the exit code."""
    bridge = OpenBridge(config)
    tools = GuardedTools(server, LatePins(bridge))
    gated: list[GatedCalls] = []
    failure: BadInput | None = None
    code: int | None = 0

    async def calls() -> GatedCalls:
        assembly = await bridge.assembly()
        if not gated:
            opened = assembly.bridge
            external_calls = ExternalCalls(assembly.store, opened.rules, opened.clock, caller=bridge.caller)
            get_running_loop().call_later(ASKED_S, assembly.want_engine)
            gated.append(GatedCalls(server, tools, external_calls, assembly.callers, hold_s=hold_s))
        return gated[0]

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bridge.run)
            try:
                async with started(server.command) as process:
                    lines, sink = await open_lines(wire.read_fd, wire.write_fd)
                    settle()
                    relay = Relay(lines, sink, process, tools, calls)
                    await until_over(relay.run)
                    await sink.close()
                    for gated_calls in gated:
                        await gated_calls.settle()
                if relay.server_left:
                    code = process.own_code
            except BadInput as exc:  # not wrapped into a group: it is told in one line
                failure = exc
            bridge.close()
    finally:
        wire.release()
    if failure is not None:
        raise failure
    return 1 if code is None else code


async def until_over(serve: Callable[[], Awaitable[None]]) -> None:
    """Serve until that ends by itself, somebody says stop, or the host is gone without a word."""
    stopped = Event()
    with stop_on_signals(stopped):
        async with anyio.create_task_group() as tasks:

            async def wait_for(ended: Callable[[], Awaitable[object]]) -> None:
                await ended()
                tasks.cancel_scope.cancel()

            for reason_to_end in (serve, stopped.wait, wait_until_orphaned):
                tasks.start_soon(wait_for, reason_to_end)
