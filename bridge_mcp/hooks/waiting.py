"""A hook's call between its request and its answer: people decide, and the host is told in its own words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bridge_mcp.core.entries import Asked, Finished, Stopped
from bridge_mcp.hooks.events import Permission
from bridge_mcp.hooks.filing import canonical
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.operations.external_calls import ONLY_CALL, Begun, ExternalCalls, lapse

if TYPE_CHECKING:
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["NO_APPROVER", "NO_ENGINE", "TOO_LATE", "Waiting"]

ENGINE_S = 3.0
"""How long a hook waits for an engine: another process takes over within two seconds."""
LOOK_S, FIRST_LOOK_S = 5.0, 0.1
"""How often it is looked whether there still is an engine; and, at first, whether people have been asked."""

NO_ENGINE = "bridge-mcp has no engine running, so nobody could be asked (start one: bridge-mcp serve)."
NO_APPROVER = (
    "bridge-mcp knows nobody to ask. Pair an approver's chat (bridge-mcp pair add CODE --role approver), or set in "
    'bridge.toml route = "CHANNEL/CHAT" under [approvals]: on this machine "local/main", which bridge-mcp chat shows.'
)
TOO_LATE = "Nobody decided in time."


class Waiting(Struct, frozen=True):
    """One call of one host that waits for its verdict."""

    calls: ExternalCalls
    host: Host
    call: Permission
    conversation: str
    engine_lives: Callable[[], bool]
    reaches: Callable[[Asked], Awaitable[bool]]
    """Whether a prompt reaches somebody who can decide."""

    async def answer(self, wait_s: float) -> tuple[Answer, Begun | None]:
        """What the host is told, and the call where it may run.

        Where the bridge cannot decide, the call lapses and the host falls back (see `fallbacks`).
        """
        deadline, last_look, asked = elapsed() + wait_s, elapsed(), False
        while True:
            remaining_s = deadline - elapsed()
            outcome = await self.calls.cleared(
                self.conversation, max(0.0, min(remaining_s, LOOK_S if asked else FIRST_LOOK_S))
            )
            if outcome is not None:
                return await self._told(outcome), outcome if isinstance(outcome, Begun) else None
            if self.engine_lives():
                last_look = elapsed()
            if elapsed() - last_look > ENGINE_S:
                return await self._without(NO_ENGINE), None
            if not asked and (question := await self._question()) is not None:
                asked = True
                if not await self.reaches(question):
                    return await self._without(NO_APPROVER), None
            if remaining_s <= 0:
                return await self._without(TOO_LATE), None

    async def _question(self) -> Asked | None:
        """How people were asked, once they were."""
        log = await self.calls.store.log.load(self.conversation)
        return next((logged.entry for logged in log if isinstance(logged.entry, Asked)), None)

    async def _without(self, reason: str) -> Answer:
        """The answer where nobody decides; whoever looks at the prompt later sees that it is over."""
        await lapse(self.calls.store, self.conversation, Finished(ONLY_CALL, "undelivered", reason))
        return self.host.fallback(self.call, reason)

    async def _told(self, outcome: Begun | Finished | Stopped) -> Answer:
        judged = await self.calls.verdict(self.conversation)
        note = judged.note if judged is not None else ""
        match outcome:
            case Begun(arguments=arguments):
                remembered = judged is not None and judged.remember == "always"
                changed: dict[str, Any] | None = None
                if arguments != canonical(self.call.arguments):
                    changed = json.loads(arguments)
                return self.host.allow(self.call, changed, self.call.rules if remembered else ())
            case Finished(outcome="denied"):
                by = f" by {judged.by}" if judged is not None and judged.verdict == "rejected" else ""
                return self.host.deny(self.call, f"Rejected{by}: {note}" if note else f"Rejected{by}.")
            case Finished(outcome="expired"):
                return self.host.fallback(self.call, TOO_LATE)
            case Finished(content=content):
                return self.host.fallback(self.call, content)
            case Stopped(reason=reason):
                return self.host.fallback(self.call, f"It was taken back: {reason}.")
