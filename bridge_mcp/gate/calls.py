"""One call through a gate, from the host's request to what the host is answered.

A free call goes to the server at once. One that needs a verdict is held, as long as the host waits for it; then the
host is told in words that it waits, and the same call again takes up the one that waits, or was decided meanwhile. The
log tells what was asked, who decided, and how it ended; only the host gets what the server answered.

A call that may have an effect is begun on disk before the server has it, and its outcome is on disk before the host has
that. One that only reads is written down while the server works on it. The host has its answer once the call is known
to have begun; its outcome follows with whatever is written next. Of a gate that is killed in that moment such a call is
`unknown`, as any other that nobody told the end of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count
from uuid import uuid4

import anyio

from bridge_mcp.core.entries import CALLS, Collected, External, Finished, Requested, Started, Stopped, approval_id
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.tools import canonical
from bridge_mcp.gate.host_calls import (
    Answer,
    Forward,
    HostCall,
    Sent,
    ServerGone,
    ended_words,
    question_in,
    refused,
    state_shown,
    waits_words,
)
from bridge_mcp.gate.identity import GuardedServer
from bridge_mcp.gate.messages import beside_words, goes_on_with
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.operations import tickets
from bridge_mcp.operations.external_calls import (
    ONLY_CALL,
    Begun,
    ExternalCalls,
    Request,
    outcome_entry,
    report,
    request_of,
)
from bridge_mcp.ports import Callers
from bridge_mcp.toolservers.connection import ListedTool

__all__ = ["GatedCalls"]

logger = logging.getLogger(__name__)

TELL_S = 5.0
"""How often a host that asked for progress is told that a call waits."""
MAX_ALIKE = 8
"""Calls with the same digest that are looked at for one that may be taken up."""
MAX_DUE = 100
"""Logs with something to do that are looked through for such a call."""
A_DAY_S = 24 * 3600.0
CUT_OFF = "Cut off: the host took it back while it was running. It may have taken effect."
MAX_CONTINUING = 1_000
"""Calls that may stand at a question of the server to the host; of more, each answer to one is a call of its own."""
TAKEN_BACK = "Not run: the host took it back as it was to begin."
BROKE = "Outcome unknown: the server ended while the call was running. Check before you repeat it."


class GatedCalls:
    """The calls of one gate. `hold_s` is how long a call is held for a host that asked for no progress."""

    def __init__(
        self,
        server: GuardedServer,
        tools: GuardedTools,
        calls: ExternalCalls,
        callers: Callers,
        hold_s: float,
    ) -> None:
        self._server = server
        self._tools = tools
        self._calls = calls
        self._callers = callers
        self._hold_s = hold_s
        self._this_gate, self._numbers = uuid4().hex, count()
        """What the names of this gate's logs are made of."""
        self._held: set[str] = set()
        """The conversations of calls that somebody waits for here."""
        self._writing: set[asyncio.Task[None]] = set()
        """Calls that only read, on their way to the disk."""
        self._continuing: dict[tuple[str, str], tuple[Begun, str]] = {}
        """Calls that the server answered with a question to the host: by the call's place, and by the state that the
        host shows when it goes on. Another call with that state is another call. With each is what its `_meta` said."""

    async def answer(self, call: HostCall, tool: ListedTool | None, forward: Forward) -> Answer:
        """What the host is to be answered. Cancelled while the call is held, it waits on in the log."""
        if tool is None:
            return Answer(code=-32602, words=f"Unknown tool: {call.tool[:200]}")
        try:
            request = self._request(call, tool)
            going_on = self._continuing.pop((self._place(request), state_shown(call)), None)
            if going_on is not None:
                begun, words = going_on
                to_forward = call if call.meta_words == words else call.without_meta()
                return await self._run(to_forward, request, begun, forward)
            free = await self._calls.free(request)
            if free is not None:
                return await self._free(call, request, free, forward)
            return await self._hold(call, tool, request, forward)
        except BadInput as exc:
            return refused(call, f"Not run. {exc}")
        except StoreError as exc:
            logger.error("a call of %s cannot be written down, so its host gets nothing of it: %s", call.tool, exc)
            return refused(call, f"The gate cannot write this call down, so it gives nothing. {exc}")

    # -- what is asked for ------------------------------------------------------------------------------------

    def _request(self, call: HostCall, tool: ListedTool) -> Request:
        external = External(
            self._server.id,
            tool.name,
            definition=self._tools.digest(tool),
            read_only=tool.read_only,
            destructive=tool.destructive,
            changed=self._tools.change_of(tool.name),
            caller=self._calls.caller,
            about=beside_words(call.params),
            claim_s=self._calls.rules.asking.expires_s or A_DAY_S,
        )
        key = f"{self._this_gate} {next(self._numbers)}"
        conversation = f"{CALLS}/{tickets.call_conversation(self._server.principal, key)}"
        return request_of(conversation, external, call.arguments, self._server.principal)

    def _place(self, request: Request, *beside: JSON) -> str:
        """Where all calls stand that are the same as this one, each in a log of its own; `beside` tells more apart."""
        external = request.external
        identity = [external.server, external.tool, external.definition, request.call.arguments]
        return f"{CALLS}/{tickets.call_conversation(self._server.principal, canonical([*identity, *beside]))}"

    # -- free calls -------------------------------------------------------------------------------------------

    async def _free(self, call: HostCall, request: Request, free: Begun, forward: Forward) -> Answer:
        """Run a call that nobody is asked about."""
        if not request.external.read_only:
            return await self._run(call, request, await self._begun(request, free), forward)
        response = await forward(None)
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[StoreError | None] = loop.create_future()
        over: asyncio.Future[Finished] = loop.create_future()
        writing = loop.create_task(self._write(request, free, begun, over))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        finished = Finished(free.call, "stopped", CUT_OFF)
        try:
            answer, finished = await self._outcome(response, free)
            if failed := await begun:
                raise failed
            return answer
        finally:
            over.set_result(finished)

    async def _write(
        self, request: Request, free: Begun, begun: asyncio.Future[StoreError | None], over: asyncio.Future[Finished]
    ) -> None:
        """Write that a call that only reads has begun, and then what became of it."""
        failed: StoreError | None = None
        try:
            free = await self._calls.begin(request, free)
        except StoreError as exc:
            failed = exc
        if not begun.done():  # else nobody waits for it any more
            begun.set_result(failed)
        if failed is None:
            await self._finish(free, await over, patient=True)

    async def settle(self) -> None:
        """Wait until the outcomes of all calls are on disk."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _begun(self, request: Request, free: Begun) -> Begun:
        """Begin a free call: once that is written, whoever takes it back meets a call that is known to have begun."""
        with anyio.CancelScope(shield=True):
            free = await self._calls.begin(request, free)
        return free

    async def _run(
        self, call: HostCall, request: Request, begun: Begun, forward: Forward, *, waited: ListedTool | None = None
    ) -> Answer:
        """Run a call that is begun in the log, and write what came of it."""
        finished: Finished | None = Finished(begun.call, "stopped", CUT_OFF)
        to_forward = call.with_arguments(begun.arguments) if begun.edited else call
        try:
            if waited is not None and request.external.changed:
                await self._tools.accept(waited)
            response = await forward(to_forward.message if to_forward.changed else None)
            answer, finished = await self._outcome(response, begun)
            going_on = (self._place(request), question_in(answer))
            if going_on[1] and going_on not in self._continuing and len(self._continuing) < MAX_CONTINUING:
                self._continuing[going_on] = (begun, call.meta_words)
                finished = None  # it goes on once the host has asked whom the server wants to hear
            return answer
        finally:
            if finished is not None:
                with anyio.CancelScope(shield=True):
                    await self._finish(begun, finished, waited=waited is not None)

    async def _finish(self, begun: Begun, finished: Finished, *, waited: bool = False, patient: bool = False) -> None:
        """Write what came of a call that has had its effect; the host has its answer though that fails."""
        collector = self._server.principal if waited else ""
        try:
            await self._calls.finish(begun, finished, collected_by=collector, patient=patient)
        except StoreError as exc:
            logger.error("%s: what came of it cannot be written down: %s", begun.conversation, exc)

    async def _outcome(self, response: Sent, begun: Begun) -> tuple[Answer, Finished]:
        """What the server answers, and what the log is to tell of that."""
        try:
            body, line = await response.response()
        except ServerGone:
            return Answer(), Finished(begun.call, "unknown", BROKE)
        result = body.get("result")
        failed = not isinstance(result, dict) or result.get("isError") is True
        summary = f"The host has what the server answered ({len(line):,} bytes)."
        return Answer(line, body), Finished(begun.call, "error" if failed else "ok", summary)

    # -- calls that wait --------------------------------------------------------------------------------------

    async def _hold(self, call: HostCall, tool: ListedTool, request: Request, forward: Forward) -> Answer:
        """Hold a call until there is a verdict, or until the host is to be told that it waits."""
        place = self._place(request, *goes_on_with(call.params))
        while True:
            conversation, about = await self._joined(place)
            new = not conversation
            if new:
                conversation, about = f"{place}/{uuid4().hex[:12]}", request.external.about
            self._held.add(conversation)
            try:
                if new:
                    await self._calls.ask(Request(conversation, request.entry))
                verdict = await self._verdict(call, conversation)
                if isinstance(verdict, Begun):
                    # What people were not shown goes no further: hosts write new things into each call's `_meta`.
                    to_forward = call if about == request.external.about else call.without_meta()
                    return await self._run(to_forward, request, verdict, forward, waited=tool)
            finally:
                self._held.discard(conversation)
            if verdict is None:
                waiting = approval_id(conversation, request.call.id)
                return refused(call, waits_words(call.tool, waiting))
            if await self._calls.collect(conversation, self._server.principal):
                return refused(call, ended_words(verdict))

    async def _close_taken_back(self, conversation: str) -> None:
        """The host takes back a call that waits: if it was begun at that very moment, it is over without having run."""
        log = await self._calls.store.log.load(conversation)
        begun = [logged.entry for logged in log if isinstance(logged.entry, Started)]
        if begun and begun[-1].runner == self._calls.caller and outcome_entry(log) is None:
            await report(self._calls.store, conversation, Finished(begun[-1].call, "stopped", TAKEN_BACK))

    async def _joined(self, place: str) -> tuple[str, str]:
        """The log of the same call that waits, or was decided, and that nobody has taken up; "" for none.

        With it comes what people are shown that it brings beside its arguments.
        """
        store = self._calls.store
        asked_about = await store.approvals.find(within=frozenset({place}), limit=MAX_ALIKE)
        due = await store.agenda.due(self._calls.clock.now(), MAX_DUE)  # nobody may have been asked so far
        alike = [earlier.conversation for earlier in reversed(asked_about)]
        alike += [other for other in due if other.startswith(f"{place}/") and other not in alike]
        for conversation in alike:
            log = await store.log.load(conversation)
            entries = [logged.entry for logged in log]
            if any(isinstance(entry, Collected | Stopped) for entry in entries):
                continue
            finished = next((entry for entry in entries if isinstance(entry, Finished)), None)
            if finished is not None and finished.outcome not in ("denied", "unknown"):
                continue  # nothing has happened, and nobody has said anything about it: it is asked for anew
            asked = next((entry for entry in entries if isinstance(entry, Requested)), None)
            if asked is not None and await self._is_of_another_gate(asked.external):
                continue
            if conversation in self._held:  # looked at last: another call may have taken it up just now
                continue
            return conversation, asked.external.about if asked is not None and asked.external is not None else ""
        return "", ""

    async def _is_of_another_gate(self, external: External | None) -> bool:
        """Whether another gate asked for a call, and lives: its own host may ask for it again."""
        caller = external.caller if external is not None else ""
        return caller != self._calls.caller and caller in await self._callers.living((caller,))

    async def _verdict(self, call: HostCall, conversation: str) -> Begun | Finished | Stopped | None:
        """What becomes of a call that waits, telling the host meanwhile; None where the host waited long enough."""
        limit_s = A_DAY_S if call.tell is not None else self._hold_s
        telling = asyncio.create_task(tell(call.tell, approval_id(conversation, ONLY_CALL))) if call.tell else None
        try:
            return await self._calls.cleared(conversation, limit_s)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._close_taken_back(conversation)
            raise
        finally:
            if telling is not None:
                telling.cancel()


async def tell(say: Callable[[float, str], Awaitable[None]], approval: str) -> None:
    """Tell a host that its call waits, with numbers below 0: the server's own begin there, and have to be greater."""
    number = 1
    while True:
        await say(number * 1e-9 - 1e-3, f"waits for approval {approval}")
        await anyio.sleep(TELL_S)
        number += 1
