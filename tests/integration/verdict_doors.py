"""The doors of a bridge as parts that can be killed: processes that ask for calls and run them, and the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
from msgspec import field

from bridge_mcp.callers import CallerLock, FileCallers
from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.entries import Finished
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.tools import ToolSpec, canonical
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.gate.calls import GatedCalls
from bridge_mcp.gate.host_calls import Answer, HostCall, ServerGone
from bridge_mcp.gate.identity import GuardedServer
from bridge_mcp.gate.messages import Body
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.operations.external_calls import Begun, ExternalCalls, Request
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import Rules, Store
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeModel, FakeToolbox, ManualClock
from bridge_mcp.toolservers.connection import ListedTool

TTL_S = 100.0
RULES = Rules(asking=ApprovalSettings(expires_s=TTL_S), provider=True)
SERVER = GuardedServer("files", ("files-server",), "/")
Ran = Callable[[str, str], None]
"""Is told the conversation and the arguments of a call as it is run."""


class Killed(Exception):
    """A process was killed, and so it writes no more."""


class Mortal(ExternalCalls, frozen=True):
    """The calls of a process that may be killed."""

    lock: CallerLock
    begun: list[str] = field(default_factory=list[str])
    """The logs of the calls that it may run, the latest last."""
    asked: list[str] = field(default_factory=list[str])
    dead: list[str] = field(default_factory=list[str])

    def kill(self) -> None:
        """The kernel gives back what the process held."""
        self.dead.append("killed")
        self.lock.__exit__(None, None, None)

    async def free(self, request: Request) -> Begun | None:
        found = await super().free(request)
        if found is not None:
            self.begun.append(request.conversation)
        return found

    async def ask(self, request: Request) -> None:
        self.asked.append(request.conversation)
        await super().ask(request)

    async def take(self, conversation: str, log: object, claim: str = "") -> Begun | None:
        found = await super().take(conversation, log, claim)  # type: ignore[arg-type]
        if found is not None:
            self.begun.append(conversation)
        return found

    async def begin(self, request: Request, free: Begun) -> Begun:
        if self.dead:  # a call that only reads is with the server before that is written
            raise StoreError("The process was killed: nothing is written any more.")
        return await super().begin(request, free)

    async def finish(self, begun: Begun, finished: Finished, *, collected_by: str = "", patient: bool = False) -> bool:
        self.check()
        return await super().finish(begun, finished, collected_by=collected_by, patient=patient)

    def check(self) -> None:
        """Raise if the process was killed."""
        if self.dead:
            raise Killed


@dataclass
class ServerAnswer:
    """What the server behind a gate says, if it does."""

    gone: bool

    async def response(self) -> tuple[Body, bytes]:
        if self.gone:
            raise ServerGone
        return {"result": {"content": []}}, b"{}"


class Gate:
    """A gate before one server with two tools. `act` needs a verdict and `look` does not."""

    def __init__(self, calls: Mortal, ran: Ran) -> None:
        self.calls = calls
        callers = FileCallers(calls.lock.folder)
        self._gated = GatedCalls(SERVER, GuardedTools(SERVER, calls.store.tool_pins), calls, callers, hold_s=0.0)
        self._ran = ran

    async def call(self, tool: str, arguments: dict[str, JSON], fate: str) -> Answer | None:
        """What the host is answered; None where the gate was killed as the call ran."""
        call = HostCall({"id": 1, "params": {"name": tool, "arguments": arguments}}, b"{}")

        async def forward(changed: Body | None) -> ServerAnswer:
            params = (changed or call.message)["params"]
            assert isinstance(params, dict)
            self._ran(self.calls.begun[-1], canonical(params["arguments"]))
            if fate == "gate killed":
                self.calls.kill()
            return ServerAnswer(gone=fate == "server gone")

        listed = ListedTool(tool, "", "{}", tool == "look", destructive=tool != "look", idempotent=False,
                            open_world=True)  # fmt: skip
        try:
            answer = await self._gated.answer(call, listed, forward)
        except Killed:
            return None
        await self._gated.settle()
        return None if self.calls.dead else answer


class EngineProcess:
    """The engine's part: its own store, and the workers of conversations. Another one follows when it is killed."""

    def __init__(self, store: Store, folder: Path, clock: ManualClock, ran: Ran) -> None:
        self.store, self.dies = store, False
        toolbox = FakeToolbox()
        self._scope = anyio.CancelScope()

        async def act(arguments: object) -> str:
            ran(toolbox.contexts[-1].conversation, canonical(dict(toolbox.calls[-1][1])))
            if self.dies:
                self._scope.cancel()
                await anyio.sleep_forever()
            return "done"

        toolbox.tool("t__act")(act)
        toolbox.tool("t__look", read_only=True)(act)
        self.tools: tuple[ToolSpec, ...] = toolbox.tools()
        policies = Policies(RULES, toolbox, store.grants, clock, store.spending, FileCallers(folder))
        self._deps = Deps(store, FakeModel(), toolbox, policies, LogCache(store.log), clock, traits={})

    @classmethod
    async def started(cls, path: Path, folder: Path, clock: ManualClock, ran: Ran) -> EngineProcess:
        """A new one, on the same file."""
        return cls(await open_store(path, clock=clock), folder, clock, ran)

    async def work_on(self, conversation: str) -> bool:
        """Do what there is to do; False if it was killed meanwhile."""
        self._scope = anyio.CancelScope()
        with self._scope, anyio.fail_after(10):
            await ConversationWorker(conversation, self._deps).run()
        return not self._scope.cancel_called
