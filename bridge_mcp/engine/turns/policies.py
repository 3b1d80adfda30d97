"""Policies: what `decide` may know beside the log, as it is at this moment, for one conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import External, Log
from bridge_mcp.core.external_calls import external_tool
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.offer import MAX_TOOLS, choose_tools, too_many_tools, wanted_tools
from bridge_mcp.core.policy import Policy, ToolRule, ToolSource
from bridge_mcp.core.token_estimate import tools_tokens
from bridge_mcp.core.tools import BRIDGE, FIND_TOOLS, READ_RESULT, ToolSpec
from bridge_mcp.core.transcript import ModelView
from bridge_mcp.engine.turns.system_prompts import SystemPrompts
from bridge_mcp.operations.addresses import CALLS
from bridge_mcp.operations.budget import reached_cap
from bridge_mcp.operations.client_limits import may_call, may_use, rules_within
from bridge_mcp.operations.external_calls import policy_of, runners
from bridge_mcp.ports import Callers, ChannelRules, Clock, Grants, Rules, Spending, Toolbox

__all__ = ["Policies"]


class Offered(Struct, frozen=True):
    """The tools of one channel. With a hundred of them, choosing anew for every step is felt."""

    of: tuple[ToolSpec, ...]
    """The toolbox's, of which they were chosen: the same tuple as long as nothing changed."""
    tools: tuple[ToolSpec, ...]
    by_name: Mapping[str, ToolSpec]
    tokens: int
    """What they take of a request, by estimate."""
    rules: tuple[ToolRule, ...] = ()
    """What the owner says of calls of single ones, the first word first."""
    withheld: frozenset[str] = frozenset()
    """The bridge's own tools that the channel does not have."""
    chosen: dict[frozenset[str], tuple[tuple[ToolSpec, ...], int]] = field(
        default_factory=dict[frozenset[str], tuple[tuple[ToolSpec, ...], int]]
    )
    """Of more than a request holds: those that were chosen, by what was wanted."""


OFFERS = 64
"""Choices of tools that are kept for one channel."""


class Policies:
    """Makes snapshots. Tools are looked at as they are now; grants as they are committed now."""

    def __init__(
        self,
        rules: Rules,
        toolbox: Toolbox,
        grants: Grants,
        clock: Clock,
        spending: Spending,
        callers: Callers | None = None,
        home: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._rules = rules
        self._toolbox = toolbox
        self._grants = grants
        self._clock = clock
        self.prompts = SystemPrompts()
        self._spending = spending
        self._callers = callers
        """Which processes live that run calls themselves; None: nobody looks."""
        self._home = home
        """Where calls are asked about that belong to no chat, unless the owner has named a place."""
        self._offered: dict[tuple[str, tuple[str, ...]], Offered] = {}

    def channel(self, conversation: str) -> ChannelRules:
        """The rules of the channel a conversation is on. Clients' own calls may use every server."""
        return self._rules.channel(Address.of(conversation).channel)

    def tools(self, conversation: str) -> tuple[ToolSpec, ...]:
        """The tools that this conversation may use, and those of the bridge's own that its channel has.

        Reading on in results goes with whatever gives results, and a search with more tools than a request holds.
        A client's own calls have no use for any of these.
        """
        return self._offered_to(conversation).tools

    def by_name(self, conversation: str, within: tuple[str, ...] = ()) -> Mapping[str, ToolSpec]:
        """The same by their names; `within` as for `snapshot`."""
        return self._offered_to(conversation, within).by_name

    def offer(self, conversation: str, past: ModelView) -> tuple[tuple[ToolSpec, ...], int]:
        """Those that a request with this past offers, and what they take of it, by estimate."""
        every = self._offered_to(conversation)
        if len(every.tools) <= MAX_TOOLS:
            return every.tools, every.tokens
        used = wanted_tools(message for turn in past.turns for message in turn.messages)
        used = frozenset(name for name in used if name in every.by_name)
        chosen = every.chosen.get(used)
        if chosen is None:
            if len(every.chosen) >= OFFERS:
                every.chosen.clear()
            tools = choose_tools(every.tools, used)
            chosen = every.chosen[used] = (tools, tools_tokens(tools))
        return chosen

    def crowded(self) -> dict[str, str]:
        """By channel: what its owner should know where it has more tools than a request holds."""
        warnings = {name: too_many_tools(len(self.tools(name))) for name in self._rules.channels}
        return {name: warning for name, warning in warnings.items() if warning}

    def _offered_to(self, conversation: str, within: tuple[str, ...] = ()) -> Offered:
        """What a conversation's channel may use, worked out anew when there are other tools than before."""
        now, channel = self._toolbox.tools(), Address.of(conversation).channel
        offered = self._offered.get((channel, within))
        if offered is None or offered.of is not now:
            rules = self.channel(conversation)
            builtin = rules.builtin_tools
            nested = tuple(s for s in now if may_call(within, self._rules, s) and rules.has_server(s.server))
            with_them = {READ_RESULT, FIND_TOOLS} if len(nested) + len(builtin) >= MAX_TOOLS else {READ_RESULT}
            bridge_tools = tuple(s for s in now if s.server == BRIDGE and (s.tool in builtin or s.name in with_them))
            tools = (*nested, *bridge_tools) if (nested or builtin) and channel != CALLS else nested
            missing = frozenset(s.name for s in now if s.server == BRIDGE) - {s.name for s in tools}
            words = rules_within(within, self._rules, tools) if within else (*rules.tools, *self._rules.tools)
            offered = self._offered[channel, within] = Offered(
                now,
                tools,
                {spec.name: spec for spec in tools},
                tokens=tools_tokens(tools),
                rules=words,
                withheld=missing,
            )
        return offered

    def _sources(self, conversation: str, within: tuple[str, ...], offered: Offered) -> Mapping[str, ToolSource]:
        """The tool servers that the config gives a conversation, and the bridge's own tools as one of them."""
        rules = self.channel(conversation)
        sources = {BRIDGE: ToolSource(withheld=offered.withheld)}
        for server in self._toolbox.status():
            if may_use(within, self._rules, server.name) and rules.has_server(server.name):
                sources[server.name] = ToolSource(server.state == "ready", frozenset(server.withheld))
        return sources

    def instructions(self, rules: ChannelRules) -> tuple[tuple[str, str], ...]:
        """What the tool servers of a channel may say in its system prompt, by their names, in the config's order."""
        servers = self._toolbox.status()
        return tuple((s.name, s.in_prompts) for s in servers if s.in_prompts and rules.has_server(s.name))

    def _quiet(self) -> dict[str, float]:
        """Until when it is quiet, by channel, where it is."""
        now = self._clock.now()
        return {name: end for name in self._rules.channels if (end := self._rules.quiet_until(name, now))}

    async def spent(self, conversation: str) -> str:
        """Which of the day's caps on models is reached here, in words; "" if none is."""
        return await reached_cap(self._spending, self._rules.caps, conversation, self._clock.now())

    async def snapshot(self, conversation: str, *, tools: Collection[str], within: tuple[str, ...] = ()) -> Policy:
        """The policy now. `tools` are those of the calls that are open: only their grants are looked up.

        `within` are the places that whoever asked for a client's own call is limited to; empty for none.
        """
        grants = await self._grants.concerning(tools, conversation, self._clock.now()) if tools else ()
        return self.of(conversation, grants, calls_open=bool(tools), within=within)

    async def of_external(self, conversation: str, external: External, log: Log) -> Policy:
        """The policy now for a call that its caller runs."""
        name = external_tool(external).name
        grants = await self._grants.concerning((name,), conversation, self._clock.now())
        callers = None if self._callers is None else await self._callers.living(runners(log))
        policy = replace(policy_of(self._rules, conversation, external, grants, callers), quiet=self._quiet())
        if policy.defaults.route or self._home is None:
            return policy
        return replace(policy, defaults=replace(policy.defaults, route=await self._home()))

    def of(
        self,
        conversation: str,
        grants: tuple[Grant, ...] = (),
        *,
        calls_open: bool = True,
        within: tuple[str, ...] = (),
    ) -> Policy:
        """The policy now with these grants. Grants only free: what is free with none of them is so with all."""
        offered = self._offered_to(conversation, within)
        return Policy(
            conversation=conversation,
            tools=offered.by_name if calls_open else {},
            sources=self._sources(conversation, within, offered) if calls_open else None,
            grants=grants,
            budget=self._rules.budget,
            while_busy=self.channel(conversation).while_busy,
            asks_in=self.channel(conversation).asks_in(Address.of(conversation).target),
            defaults=self._rules.asking,
            rules=offered.rules,
            own_places=self._rules.own_places,
            cli=self._rules.cli,
            separate=self._rules.separate,
            quiet=self._quiet(),
            hears=self._rules.hears,
        )
