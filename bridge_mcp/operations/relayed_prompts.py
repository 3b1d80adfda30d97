"""Permission prompts that an agent relays in short: asked of people, and answered once, by yes or no.

Claude Code sends its channels what its own prompt shows: the tool, a description, and a preview with its middle left
out. That is all a verdict is bound to, so the prompt says that it is shortened, no grant is made or used, and no rule
lets it run (`core.grants.SHORTENED`). Where a hook of the agent asks about the same call, with all of it, the hook's
prompt stands alone.

First answer wins, and Claude Code does not tell a channel that its terminal answered first. A prompt closes when the
session ends, when the hook after the call tells that it ran (`answered_elsewhere`; the plugin has that hook), or by its
age. Nothing else that the host sends proves it: requests and calls come from subagents too, while others wait.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import anyio
from msgspec import Struct

from bridge_mcp.core.entries import CALLS, External, Finished
from bridge_mcp.core.external_calls import external_name
from bridge_mcp.core.tools import JSON
from bridge_mcp.operations import tickets
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.operations.external_calls import ONLY_CALL, Begun, ExternalCalls, lapse, request_of
from bridge_mcp.ports import Store

__all__ = ["DOOR", "RelayedPrompts", "answered_elsewhere"]

DOOR, HOOK = "channel:claude-code", "hook:claude-code"
"""As whom the channel asks, and as whom the hooks of the same agent do."""

HOOK_S, NEAR_S = 1.5, 10.0
"""How long a hook is waited for that asks about the same call; and how much older its question may be."""

BEGINNING = 24
"""Characters of a text by which it is found in a preview."""
LEFT_OUT = ("…", "...", "[REDACTED]", "unserializable")
"""What stands in a preview where something is left out of it."""

LOOK_S = 3600.0
CLAIM_S = 60.0
"""How long an approved call waits for its channel, which looks all the time."""

ABOUT = "shortened by Claude Code; its own prompt shows more"
SENT = "The verdict was sent to Claude Code, which does not tell what became of the call."
GONE = "No verdict is needed any more: Claude Code was gone."


class RelayedPrompts(Struct, frozen=True):
    """The prompts of one session; `calls` is of the process that holds the channel."""

    calls: ExternalCalls

    async def ask(self, tool: str, description: str, preview: str, tell: Callable[[bool], Awaitable[None]]) -> None:
        """Have people decide, and `tell` what they say; nothing is told where nobody decides in time.

        Cancelled, the prompt lapses.

        Raises:
            BridgeError: the prompt cannot be kept.
        """
        conversation = "" if await self._hook_asks(tool) else await self.file(tool, description, preview)
        if not conversation:
            return
        try:
            while not await self.answer(conversation, tell, LOOK_S):
                continue
        finally:
            with anyio.CancelScope(shield=True):
                await self.close(conversation)

    async def file(self, tool: str, description: str, preview: str) -> str:
        """Write a prompt down, for the engine to ask people; its log."""
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
        arguments = {"description": description, "input_preview": preview}
        await self.calls.ask(request_of(conversation, external, arguments, DOOR))
        return conversation

    async def answer(self, conversation: str, tell: Callable[[bool], Awaitable[None]], timeout_s: float) -> bool:
        """Wait for the end of a prompt, and `tell` the verdict, if it is one; False when time is up."""
        outcome = await self.calls.cleared(conversation, timeout_s)
        if isinstance(outcome, Begun):
            await tell(True)
            await self.calls.finish(outcome, Finished(outcome.call, "unknown", SENT))
        elif isinstance(outcome, Finished) and outcome.outcome == "denied":
            await tell(False)
        return outcome is not None

    async def close(self, conversation: str) -> None:
        """Close a prompt that nobody waits for any more."""
        await lapse(self.calls.store, conversation, Finished(ONLY_CALL, "undelivered", GONE))

    async def _hook_asks(self, tool: str) -> bool:
        """Whether a hook's prompt about a call of this tool waits, or comes within moments."""
        name, store = external_name(HOOK, tool), self.calls.store
        since = self.calls.clock.now() - NEAR_S
        with CommitWait(store.agenda, HOOK_S) as wait:
            while True:
                waiting = await store.approvals.find(status="waiting")
                if any(approval.tool == name and approval.asked_at >= since for approval in waiting):
                    return True
                if not await wait.more(HOOK_S):
                    return False


async def answered_elsewhere(
    store: Store, door: str, tool: str, arguments: Mapping[str, JSON], outcome: Finished
) -> int:
    """Close the prompt about this call that a door relayed, since its agent has gone on without a verdict from here.

    Nobody says which prompt it was: it is the oldest one of this tool whose preview shows these arguments. Returns how
    many were closed.
    """
    waiting = await store.approvals.find(status="waiting")
    matching = [a for a in waiting if a.tool == external_name(door, tool) and shows(a.arguments, arguments)]
    if not matching:
        return 0
    oldest = min(matching, key=lambda each: each.asked_at)
    return int(await lapse(store, oldest.conversation, outcome))


def shows(relayed: str, arguments: Mapping[str, JSON]) -> bool:
    """Whether what was relayed of a call can be the preview of these arguments.

    A preview is no JSON: white space is folded, long texts lose their middle, and what looks like a credential is
    masked. So the beginnings of all texts have to be in it; but for those that may have been left out or masked.
    """
    preview = folded(str(json.loads(relayed).get("input_preview", "")))
    texts = [value for value in arguments.values() if isinstance(value, str)]
    visible = [any(folded(form)[:BEGINNING] in preview for form in (text, json.dumps(text)[1:-1])) for text in texts]
    return any(visible) if any(mark in preview for mark in LEFT_OUT) else all(visible)


def folded(text: str) -> str:
    return " ".join(text.split())
