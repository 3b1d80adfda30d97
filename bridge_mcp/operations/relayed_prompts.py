"""Permission prompts that an agent relays in short: asked of people, and answered once, by yes or no.

Claude Code sends its channels what its own prompt shows: the tool, a description, and a preview with its middle left
out. That is all a verdict is bound to, so the prompt says that it is shortened, no grant is made or used, and no rule
lets it run (`core.grants.SHORTENED`). Where a hook of the agent asks about the same call, with all of it, the hook's
prompt stands alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import anyio

from bridge_mcp.core.entries import CALLS, External, Finished
from bridge_mcp.core.external_calls import external_name
from bridge_mcp.operations import tickets
from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.operations.external_calls import ONLY_CALL, Begun, ExternalCalls, lapse, request_of

__all__ = ["DOOR", "RelayedPrompts"]

DOOR, HOOK = "channel:claude-code", "hook:claude-code"
"""As whom the channel asks, and as whom the hooks of the same agent do."""

HOOK_S, NEAR_S = 1.5, 10.0
"""How long a hook is waited for that asks about the same call; and how much older its question may be."""

LOOK_S = 3600.0
CLAIM_S = 60.0
"""How long an approved call waits for its channel, which looks all the time."""

ABOUT = "shortened by Claude Code; its own prompt shows more"
SENT = "The verdict was sent to Claude Code, which does not tell what became of the call."
GONE = "No verdict is needed any more: Claude Code was gone."


@dataclass(frozen=True, slots=True)
class RelayedPrompts:
    """The prompts of one session; `calls` is of the process that holds the channel."""

    calls: ExternalCalls

    async def ask(self, tool: str, description: str, preview: str, tell: Callable[[bool], Awaitable[None]]) -> None:
        """Have people decide, and `tell` what they say; nothing is told where nobody decides in time.

        Cancelled, the prompt lapses.

        Raises:
            BridgeError: the prompt cannot be kept.
        """
        if await self._hook_asks(tool):
            return
        conversation = f"{CALLS}/{tickets.call_conversation(DOOR, uuid4().hex)}"
        external = External(
            DOOR,
            tool,
            about=ABOUT,
            asks=f"Claude Code (its channel, shortened) asks to run {tool}",
            fixed=True,
            caller=self.calls.caller,
            lapses=True,
            claim_s=CLAIM_S,
        )
        shown = {"description": description, "input_preview": preview}
        await self.calls.ask(request_of(conversation, external, shown, DOOR))
        try:
            await self._answer(conversation, tell)
        finally:
            with anyio.CancelScope(shield=True):
                await lapse(self.calls.store, conversation, Finished(ONLY_CALL, "undelivered", GONE))

    async def _answer(self, conversation: str, tell: Callable[[bool], Awaitable[None]]) -> None:
        while (got := await self.calls.cleared(conversation, LOOK_S)) is None:
            continue
        if isinstance(got, Begun):
            await tell(True)
            await self.calls.finish(got, Finished(got.call, "unknown", SENT))
        elif isinstance(got, Finished) and got.outcome == "denied":
            await tell(False)

    async def _hook_asks(self, tool: str) -> bool:
        """Whether a hook's prompt about a call of this tool waits, or comes within moments."""
        name, store = external_name(HOOK, tool), self.calls.store
        since, deadline = self.calls.clock.now() - NEAR_S, elapsed() + HOOK_S
        with closing(store.agenda.watch()) as changes:
            while True:
                waiting = await store.approvals.find(status="waiting")
                if any(each.tool == name and each.asked_at >= since for each in waiting):
                    return True
                left = deadline - elapsed()
                if left <= 0:
                    return False
                await changes.wait(left)
