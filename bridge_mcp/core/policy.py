"""Policy: which calls need approval and how, a turn's budget, principals and their scopes.

A `Policy` is a snapshot: `decide` reads nothing else, so the same log and the same policy give the same step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.approval_settings import ApprovalSettings, PartialApprovalSettings, Reviewer
from bridge_mcp.core.entries import Asked, Call, TraceContext
from bridge_mcp.core.errors import BadInput, Denied
from bridge_mcp.core.grants import HOOKS, SHORTENED, Grant
from bridge_mcp.core.own_places import find_own_place
from bridge_mcp.core.tools import ToolSpec, parse_arguments

__all__ = [
    "AGENTS",
    "CLIENT_NAME",
    "OWNER_NAME",
    "RESERVED",
    "REVIEWER",
    "SCOPES",
    "Budget",
    "Free",
    "Gate",
    "NeedsVerdict",
    "Policy",
    "Principal",
    "Refuse",
    "Scope",
    "ToolRule",
    "ToolSource",
    "Via",
    "WhileBusy",
    "by_command_line",
    "on_behalf",
    "principals_behind",
]

Scope: TypeAlias = Literal["read", "send", "approve", "tools", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

WhileBusy: TypeAlias = Literal["join", "queue", "interrupt"]
"""Of a message that comes in while a turn is at work: the turn's next model call reads it; or it waits for a turn of
its own; or it ends that turn, and opens one."""


REVIEWER = "reviewer"
"""Who decides where a model does, in the place of people."""

RESERVED = frozenset({"stdio", "owner", "assistant", "bridge", "loopback", REVIEWER})
"""Names that no client over HTTP may have: a verdict by `owner` is the owner's."""

CLIENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Legal names of clients: without separators, and unlike any other name."""

AGENTS = "agents"
"""As a route: no chat is asked, only whoever decides over MCP or on the command line."""

Via: TypeAlias = Literal[
    "", "chat button", "chat text", "mcp", "mcp form", "mcp app", "cli", "console", "api", "rule", "reviewer"
]
"""By which path a verdict came; `mcp form` is a host's form for the person who sits at it, `mcp app` its card, `rule`
the bridge's own: it expired, or a grant or the policy frees it now; `reviewer`: a model decided, as a rule lets it."""


OWNER_NAME = "owner"
"""As whom the command line acts, and whoever comes by a link that it made."""


def by_command_line(via: str, name: str) -> bool:
    """Whether a verdict came by the command line, or by the console that it opened: whoever has one has both."""
    return via == "cli" or (via == "console" and name == OWNER_NAME)


FOR = "assistant for "


def on_behalf(names: Iterable[str]) -> str:
    """The requester's label when the assistant asks on behalf of these principals."""
    listed = ", ".join(names)
    return f"{FOR}{listed}" if listed else "assistant"


def principals_behind(requested_by: str) -> tuple[str, ...]:
    """The principals for whom the assistant asks, from that label; none for a client. No name has a comma."""
    return tuple(requested_by.removeprefix(FOR).split(", ")) if requested_by.startswith(FOR) else ()


class Principal(Struct, frozen=True):
    """One who acts: the owner, a client, or a user of a chat.

    `channels` and `conversations` limit it to those (a chat includes its topics); both empty: no limit.
    """

    name: str
    kind: Literal["client", "owner", "person", "bridge"] = "client"
    scopes: frozenset[Scope] = frozenset()
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    via: Via = ""
    attended: bool = False
    """Whether a person at the client may decide on the calls that it makes (`person_decides`)."""
    expose: frozenset[str] = frozenset()
    """The tool servers whose tools are among its own; `*` for all."""
    trace: TraceContext | None = None
    """The trace in which it acts just now."""

    def require(self, scope: Scope) -> None:
        """Raise unless it has this scope.

        Raises:
            Denied: it does not; the message names the missing scope.
        """
        if scope not in self.scopes:
            if self.kind == "person" and "send" not in self.scopes:
                raise Denied(
                    "Nobody knows who writes as a group, as a channel, or through another bot.",
                    fix="Write it as yourself.",
                )
            if self.kind == "person" and scope == "approve":
                channel, _, subject = self.name.partition(":")
                raise Denied(
                    "You may not decide on calls here.",
                    fix=f"The owner can let you: bridge-mcp pair add {channel} {subject} --role approver",
                )
            scopes = ", ".join(s for s in SCOPES if s in self.scopes) or "none"
            raise Denied(
                f"This needs the scope '{scope}'; {self.name} has: {scopes}.",
                fix="The owner can add it under [clients] in bridge.toml, or with --scopes on stdio.",
            )

    @property
    def within(self) -> frozenset[str]:
        """The channels and conversations it is limited to; empty: no limit."""
        return self.channels | self.conversations

    def sees(self, conversation: str) -> bool:
        """Whether this conversation is within its limits."""
        return not self.within or not self.within.isdisjoint(Address.of(conversation).places)

    def sees_channel(self, channel: str) -> bool:
        """Whether any conversation of this channel may be within its limits."""
        places = self.within
        return not places or any(Address.of(place).channel == channel for place in places)


class Budget(Struct, frozen=True):
    """Limits of one turn. `work_s` counts seconds in which a model or a tool was at work, not waiting for people."""

    model_calls: int = 25
    tool_rounds: int = 24
    work_s: float = 900.0
    attempts: int = 4
    """How often one model call, or one repeatable tool call, is begun before it is given up."""
    max_failed_rounds: int = 3
    """Rounds in a row in which none of a model's calls could be made; see `failed_rounds`."""


class Free(Struct, frozen=True):
    """The call may run; `because` goes into the log."""

    because: str


class NeedsVerdict(Struct, frozen=True):
    """The call waits for a verdict; `because` is shown to the approvers."""

    because: str


class Refuse(Struct, frozen=True):
    """The call cannot run; `because` is its result for the model."""

    because: str


Gate: TypeAlias = Free | NeedsVerdict | Refuse


class ToolRule(Struct, frozen=True):
    """The owner's settings for calls of tools that match a pattern (fnmatch over `server__tool`)."""

    pattern: str
    says: PartialApprovalSettings = field(default_factory=PartialApprovalSettings)
    server: str = ""
    """Where it is of one tool server: the pattern is over that server's own names for its tools."""

    def concerns(self, tool: str, spec: ToolSpec | None) -> bool:
        """Whether it speaks of this tool, as far as anybody knows the tool."""
        if self.server:
            return spec is not None and spec.server == self.server and fnmatchcase(spec.tool, self.pattern)
        return fnmatchcase(tool, self.pattern)


class ToolSource(Struct, frozen=True):
    """One tool server: its state, and what the config withholds of it."""

    ready: bool = True
    """Whether a call would reach it now."""
    withheld: frozenset[str] = frozenset()
    """Its tools that the config lets nobody use, by their names in the bridge."""


class Policy(Struct, frozen=True):
    """Everything that `decide` may know beside the log, for one conversation."""

    conversation: str = ""
    tools: Mapping[str, ToolSpec] = field(default_factory=dict[str, ToolSpec])
    grants: tuple[Grant, ...] = ()
    budget: Budget = Budget()
    defaults: ApprovalSettings = ApprovalSettings()
    rules: tuple[ToolRule, ...] = ()
    """For each setting the first rule that has it counts: the channel's before those for all, names before patterns."""
    max_parallel: int = 16
    """How many calls of one reply may run at once."""
    while_busy: WhileBusy = "join"
    """What happens to messages that come in during a turn."""
    spent: str = ""
    """Which of the day's caps on models is reached, in words; "" if none is, or nobody has measured."""
    cut: int | None = None
    """Where the past must be cut before it fits into the model's window; None: it fits, or nobody has measured."""
    summarise: bool = True
    """Whether the model sums up what a cut takes away."""
    sources: Mapping[str, ToolSource] | None = None
    """The tool servers that the config gives this conversation, by name; None: nobody has looked."""
    own_places: tuple[str, ...] = ()
    """Texts that name the bridge and its files: a call with one of them runs by no grant and no annotation."""
    cli: bool = True
    """Whether verdicts of the command line hold, and of the console that it opened."""
    separate: bool = False
    """Whether whoever started a turn is kept from deciding on its calls: then a reviewer decides on none, either."""
    unreviewable: str = ""
    """Why no reviewer can be asked now, in words; "" if nothing is in the way, or nobody has measured."""
    hears: bool = False
    """Whether voice messages get their words: then a turn waits for them a while."""
    quiet: Mapping[str, float] = field(default_factory=dict[str, float])
    """By channel: until when it is quiet there now, in epoch seconds."""
    asks_in: str = ""
    """Where calls are asked that no rule routes; empty: in their own conversation."""
    callers: frozenset[str] | None = None
    """The processes that live, of those that run calls of this log themselves; None: nobody has looked."""

    def gate(self, call: Call, now: float) -> Gate:
        """Whether a call may run, needs approval, or is refused. The one check for every caller."""
        spec = self.tools.get(call.tool)
        if spec is None:
            names = ", ".join(sorted(self.tools)[:20]) or "none"
            return Refuse(f"There is no tool '{call.tool}' here. The tools are: {names}.")
        try:
            arguments = parse_arguments(call.arguments)
        except BadInput as exc:
            return Refuse(str(exc))
        if spec.changed:
            return NeedsVerdict(f"{spec.tool} is no longer what it was: {spec.changed}")
        asking = self.asking(call.tool)
        if asking.confirmation == "never":
            return Free("policy")
        place = find_own_place(arguments, self.own_places)
        if place:
            return NeedsVerdict(f"⚠️ it names {place}: whoever changes the bridge or its hooks decides on calls")
        if asking.confirmation == "by-annotation" and spec.read_only:
            return Free("read-only")
        quorum = asking.quorum
        for grant in self.grants if quorum == 1 else ():  # a grant never replaces a quorum
            if grant.covers(call.tool, arguments, self.conversation, now):
                return Free(f"grant {grant.id}")
        several = f"; it takes {quorum} approvers" if quorum > 1 else ""
        if asking.confirmation == "person":
            return NeedsVerdict(f"every call of {call.tool} is for people to confirm{several}")
        if asking.confirmation == "required":
            return NeedsVerdict(f"every call of {call.tool} is confirmed here{several}")
        return NeedsVerdict(f"{spec.tool} {'can change things' if spec.destructive else 'is not read-only'}{several}")

    def reaches(self, server: str, tool: str) -> bool:
        """Whether a call of this tool would reach its server now."""
        source = None if self.sources is None else self.sources.get(server)
        return tool in self.tools and (source is None or source.ready)

    def withdrawn(self, server: str, tool: str) -> str:
        """Why a missing tool will not come back: the config has removed it; "" if it may come back."""
        if tool in self.tools or self.sources is None:
            return ""
        source = self.sources.get(server)
        if source is None:
            return f"Not run: the config no longer has the tool server '{server}' here."
        return f"Not run: the config no longer allows the tool '{tool}' here." if tool in source.withheld else ""

    def asking(self, tool: str) -> ApprovalSettings:
        """The approval settings of a tool: by a rule, else by its server's section, else the general ones."""
        spec = self.tools.get(tool)
        rules = [rule for rule in self.rules if rule.concerns(tool, spec)]
        if tool.startswith((HOOKS, SHORTENED)):
            return asking_of_hook(self.defaults, rules)
        parts = [rule.says for rule in rules]
        if spec is not None and spec.confirmation != "default":
            parts.append({"confirmation": spec.confirmation})
        says = self.defaults.overridden(*parts)
        return replace(says, route=self.asks_in) if self.asks_in and not says.route else says

    def reviewer(self, call: Call) -> Reviewer | None:
        """The reviewer of a call, with what it may do there; None where only people are asked."""
        spec, settings = self.tools.get(call.tool), self.asking(call.tool)
        if settings.review is None or spec is None or spec.changed:
            return None
        try:
            if find_own_place(parse_arguments(call.arguments), self.own_places):
                return None
        except BadInput:
            return None
        people_decide = settings.quorum > 1 or self.separate
        return replace(settings.review, may="advise") if people_decide else settings.review

    def no_review(self, call: Call, asked: Asked) -> str:
        """Why the reviewer of an asked call is not asked now, or has no say any more; "" if nothing prevents it."""
        if asked.tool not in self.tools:
            return "the tool was not there"
        now = self.reviewer(call)
        if now is None or now.model != asked.reviewer:
            return "the rules name no such reviewer any more"
        return self.unreviewable


def asking_of_hook(defaults: ApprovalSettings, rules: Iterable[ToolRule]) -> ApprovalSettings:
    """How a call is asked about that an agent's hook asks for: only a rule that names hooks lets it run unasked.

    None does so of a call that the agent's channel has shortened.
    """
    confirmation = "by-annotation" if defaults.confirmation == "never" else defaults.confirmation
    parts = [rule.says if rule.pattern.startswith(HOOKS) else place_and_time(rule.says) for rule in rules]
    review = replace(defaults.review, may="advise") if defaults.review else None
    return replace(defaults, confirmation=confirmation, review=review).overridden(*parts)


def place_and_time(part: PartialApprovalSettings) -> PartialApprovalSettings:
    """What a rule says of where, when and whom to ask, and not whether: a reviewer that it names advises."""
    advisory = part.copy()
    advisory.pop("confirmation", None)
    review = advisory.get("review")
    if review is not None:
        advisory["review"] = replace(review, may="advise")
    return advisory
