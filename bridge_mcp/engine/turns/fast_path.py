"""A fast path for a client's own calls in the engine's process: fewer commits for one request.

Usually a request goes through the log: a process records it, the engine notices, decides, records the intent, runs the
call, records the outcome. Here the engine has the request in memory. It calls the same `decide` on the log as it would
be, and records the result in the same transaction as the request:

- A free call: request and intent together, then the effect, then the outcome.
- A free call that only reads: nothing that a crash could repeat or hide needs an intent before it. If it is over within
  `GRACE_S`, request, intent and outcome are one transaction; else request and intent are written while it runs on.
- Anything else: the request alone, and the conversation is worked on as any other.

The answer is given once all of it is on disk, as ever. A crash before that leaves nothing of a call that only reads, or
an intent without an outcome, which the next engine settles: it is the same log, whichever way it was written.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Literal

import anyio

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Entry, Finished, Log, Logged, Requested, Started, Stopped
from bridge_mcp.core.errors import BridgeError, Conflict
from bridge_mcp.core.evidence import outcome_of
from bridge_mcp.core.steps import Run
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.trace_context import call_trace
from bridge_mcp.engine.supervision import error_line
from bridge_mcp.engine.turns import tool_calls
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.drives import ConversationDrives
from bridge_mcp.ports import CallContext, ToolProgress

__all__ = ["GRACE_S", "FastPath"]

logger = logging.getLogger(__name__)

ASK_AGAIN = "Call again with the same idempotency_key: what is in the log is not run twice."
NO_CHAT = "This tool asks people in a chat, and this call belongs to none."
GRACE_S = 0.1
"""How long a read-only call may take until its intent is recorded."""


@dataclass(slots=True)
class PendingCall:
    """One request on its way."""

    conversation: str
    entry: Requested
    progress: ToolProgress | None
    worker: ConversationWorker
    written: asyncio.Event = field(default_factory=asyncio.Event)
    """The request stands in the log, or never will through us."""
    ran: asyncio.Event = field(default_factory=asyncio.Event)
    """The call has been made, or cut off."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """There is nothing more to wait for here."""
    log: Log | None = None
    """All of the conversation, if the call has its outcome."""
    failed: BridgeError | None = None
    stage: Literal["running", "declaring", "ending"] = "running"

    def end(self, log: Log | None = None, failed: BridgeError | None = None) -> None:
        """Let go whoever waits."""
        self.log, self.failed = log, failed
        self.written.set()
        self.over.set()


class FastPath:
    """Runs requests of one call each. Shares conversations with the dispatcher: one of the two works on each."""

    def __init__(self, deps: Deps, drives: ConversationDrives) -> None:
        self._deps = deps
        self._drives = drives

    @property
    def open(self) -> bool:
        """Whether it may be used: while conversations are driven, and by this process alone."""
        return self._drives.open

    def find(self, conversation: str, tool: str, within: tuple[str, ...] = ()) -> ToolSpec | None:
        """The tool of this name, as it is now, where whoever is limited to these places may call it."""
        return self._deps.policies.by_name(conversation, within).get(tool)

    async def request(
        self, conversation: str, entry: Requested, wait_s: float, progress: ToolProgress | None = None
    ) -> Log | None:
        """Write a request of one call, and have it run if it is free to.

        Answers the whole log once the call has its outcome; None when the request stands in the log and its outcome
        is to be waited for there; nothing, and nothing was written, where this way is not open.

        Raises:
            Conflict: the conversation has entries already.
            StoreError: it could not be written.
        """
        worker = self._drives.enter(conversation)
        if worker is None:
            return ()
        action = PendingCall(conversation, entry, progress, worker=worker)
        self._drives.start(self._work, action)
        with anyio.move_on_after(wait_s):
            await action.over.wait()
        await action.written.wait()
        if action.failed is not None:
            raise action.failed
        return action.log

    async def _work(self, action: PendingCall) -> None:
        """From the request to the outcome, or to where the conversation is driven as any other."""
        drive_on = False
        try:
            drive_on = await self._begin(action)
        except BridgeError as exc:
            action.end(failed=exc)
        except Exception as exc:  # a bug that this call meets costs this call, and not the engine
            logger.exception("%s: a client's call failed unexpectedly", action.conversation)
            action.end(failed=BridgeError(f"The call failed unexpectedly: {error_line(exc)}.", fix=ASK_AGAIN))
        finally:
            if not action.over.is_set():
                action.end(failed=BridgeError("The engine stopped in the middle of this call.", fix=ASK_AGAIN))
            if not drive_on:
                self._drives.leave(action.worker)
        if drive_on:
            await self._drives.drive_on(action.worker)

    async def _begin(self, action: PendingCall) -> bool:
        """Decide, and go the way that fits; whether there is something left to worker."""
        deps = self._deps
        (call,) = action.entry.calls
        now = deps.clock.now()
        asked = (Logged(0, now, action.entry),)
        within = action.entry.within
        policy = deps.policies.of(action.conversation, within=within)
        step = decide(asked, policy, now)
        if not isinstance(step, Run):
            policy = await deps.policies.snapshot(action.conversation, tools=(call.tool,), within=within)
            step = decide(asked, policy, now)
        spec = policy.tools.get(call.tool)
        if not isinstance(step, Run) or spec is None:
            await deps.store.log.intend(action.conversation, 0, action.entry)
            action.end()
            return True
        _, arguments, because = step.calls[0]
        intent = tool_calls.started_entry(call, spec, arguments, because, action.entry.by)
        if spec.read_only:
            return await self._look(action, spec, intent)
        log = await deps.store.log.intend(action.conversation, 0, action.entry, intent)
        action.written.set()
        finished = await self._outcome(action, spec, intent)
        return await self._finish(action, log, finished)

    async def _look(self, action: PendingCall, spec: ToolSpec, intent: Started) -> bool:
        """Run a call that only reads, and write everything at its end; or its beginning, if that is long in coming."""
        late = asyncio.get_running_loop().call_later(GRACE_S, self._drives.start, self._declare, action, intent)
        try:
            finished = await self._outcome(action, spec, intent)
        finally:
            late.cancel()
        if action.stage == "declaring":
            await action.written.wait()
            if action.failed is not None:
                return False
            await self._deps.store.log.record(action.conversation, finished)
            action.end(await self._deps.store.log.load(action.conversation))
            return True
        action.stage = "ending"
        log = await self._deps.store.log.intend(action.conversation, 0, action.entry, intent, finished, wake=None)
        action.end(log)
        return False

    async def _declare(self, action: PendingCall, intent: Entry) -> None:
        """Write request and intent of a call that runs on."""
        if action.stage != "running":
            return
        action.stage = "declaring"
        try:
            await self._deps.store.log.intend(action.conversation, 0, action.entry, intent)
            action.written.set()
        except BridgeError as exc:
            action.end(failed=exc)
        except Exception as exc:
            logger.exception("%s: a client's call could not be written down", action.conversation)
            action.end(failed=BridgeError(f"The call could not be written down: {error_line(exc)}.", fix=ASK_AGAIN))

    async def _finish(self, action: PendingCall, begun: Log, finished: Finished) -> bool:
        """Write the outcome where it belongs if nothing came in between; whether there is something left to worker."""
        log = self._deps.store.log

        async def write() -> tuple[Log, bool]:
            try:
                last = await log.intend(action.conversation, len(begun), finished, wake=None)
                return (*begun, *last), False
            except Conflict:
                await log.record(action.conversation, finished)
                return await log.load(action.conversation), True

        entries, more = await self._deps.write_outcome(action.conversation, write)
        action.end(entries)
        return more

    async def _outcome(self, action: PendingCall, spec: ToolSpec, intent: Started) -> Finished:
        """Run the call."""
        deps, arguments = self._deps, intent.arguments
        asked = (Logged(0, 0.0, action.entry),)
        trace = call_trace(action.conversation, asked, intent.call, traced=deps.traced)
        context = CallContext(
            action.conversation, intent.call, action.entry.by, verbatim=action.entry.verbatim, trace=trace
        )
        hear = deps.progress.listener(action.conversation, intent) if deps.progress else None
        finished: Finished | None = Finished(intent.call, "stopped", tool_calls.CUT_OFF)
        with anyio.CancelScope() as scope:
            watch = asyncio.get_running_loop().call_later(GRACE_S, self._drives.start, self._watch, action, scope)
            try:
                finished = await tool_calls.outcome(deps.toolbox, spec, arguments, context, both(hear, action.progress))
            finally:
                watch.cancel()
                action.ran.set()
                action.worker.signal.set()  # lets the watch go
        if deps.progress is not None:
            deps.progress.finish(action.conversation, intent.call)
        return outcome_of(intent, finished or Finished(intent.call, "error", NO_CHAT))

    async def _watch(self, action: PendingCall, scope: anyio.CancelScope) -> None:
        """Cut a call off that is taken back while it runs: whoever does that, here or elsewhere, writes it down."""
        try:
            while not action.ran.is_set():
                action.worker.signal.clear()
                log = await self._deps.store.log.load(action.conversation)
                if any(isinstance(logged.entry, Stopped) for logged in log):
                    scope.cancel()
                    return
                await action.worker.signal.wait()
        except BridgeError as exc:
            logger.warning("%s: nobody can take this call back: %s", action.conversation, exc)


def both(first: ToolProgress | None, second: ToolProgress | None) -> ToolProgress | None:
    """Tell two."""
    if first is None or second is None:
        return first or second

    def tell(progress: float, total: float | None, words: str) -> None:
        first(progress, total, words)
        second(progress, total, words)

    return tell
