"""Policies: what `decide` may know beside the log, as it is at this moment, for one conversation."""

from __future__ import annotations

from bridge_mcp.core.grants import Grant
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.spending import day_of, over, scopes
from bridge_mcp.core.tools import READ_RESULT, ToolSpec
from bridge_mcp.engine.addresses import CALLS
from bridge_mcp.ports import ChannelRules, Clock, Grants, Rules, Spending, Toolbox

__all__ = ["Policies"]


class Policies:
    """Makes snapshots. Tools are looked at as they are now; grants as they are committed now."""

    def __init__(self, rules: Rules, toolbox: Toolbox, grants: Grants, clock: Clock, spending: Spending) -> None:
        self._rules = rules
        self._toolbox = toolbox
        self._grants = grants
        self._clock = clock
        self._spending = spending

    def channel(self, conversation: str) -> ChannelRules:
        """The rules of the channel a conversation is on. Clients' own calls may use every server."""
        name = conversation.partition("/")[0]
        known = self._rules.channels.get(name)
        return known or ChannelRules(name, responder="off", tool_servers=None if name == CALLS else ())

    def tools(self, conversation: str) -> tuple[ToolSpec, ...]:
        """The tools that this conversation may use. Reading on in results goes with whatever gives results.

        A client's own calls are answered whole, so it has no use for that.
        """
        allowed = self.channel(conversation).tool_servers
        own = [spec for spec in self._toolbox.tools() if spec.name == READ_RESULT]
        found = [s for s in self._toolbox.tools() if (allowed is None or s.server in allowed) and s not in own]
        return (*found, *own) if found and not conversation.startswith(f"{CALLS}/") else tuple(found)

    async def spent(self, conversation: str) -> str:
        """Which of the day's caps on models is reached here, in words; "" if none is."""
        caps = self._rules.caps
        if not caps.any:
            return ""
        taken = await self._spending.on(day_of(self._clock.now()), *scopes(conversation))
        return over(caps, conversation, taken)

    async def snapshot(self, conversation: str, *, calls_open: bool) -> Policy:
        """The policy now. Grants matter only while calls are open, and are looked up only then."""
        grants: tuple[Grant, ...] = await self._grants.active(self._clock.now()) if calls_open else ()
        return Policy(
            conversation=conversation,
            tools={spec.name: spec for spec in self.tools(conversation)} if calls_open else {},
            confirmation=self._rules.confirmation,
            grants=grants,
            budget=self._rules.budget,
            defaults=self._rules.asking,
            rules=(*self.channel(conversation).tools, *self._rules.tools),
        )
