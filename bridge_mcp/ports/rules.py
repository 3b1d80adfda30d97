"""What the owner wants, as far as the engine is concerned; the config room makes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct, field

from bridge_mcp.core.address import Address
from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.entries import CALLS
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import AGENTS, Budget, ToolRule, WhileBusy
from bridge_mcp.core.spending import Caps
from bridge_mcp.core.window import Window
from bridge_mcp.ports.quiet import QuietHours

__all__ = ["BotMode", "ChannelRules", "EventRules", "GroupMode", "Rules"]

GroupMode: TypeAlias = Literal["mention", "always", "observe"]
"""In a group: answer what is meant for the bot; answer all; or listen, and answer nothing."""
BotMode: TypeAlias = Literal["never", "mentions"]
"""Other bots: never heard; or heard, and answered, where they mention ours or reply to it."""


class ChannelRules(Struct, frozen=True):
    """What the owner wants of one channel."""

    name: str
    responder: Literal["assistant", "relay", "off"] = "relay"
    type: str = "local"
    """Of the platform."""
    distribution: str = ""
    """The package that brings this type, with its version; "" where it is built in."""
    model: str = "default"
    system_prompt: str = ""
    system_prompt_file: Path | None = None
    """Where it is from: it is read again when that changes."""
    chat_context: bool = True
    """Whether the model is told where it is, who writes, and when."""
    timezone: str = "UTC"
    """In which it is told times."""
    tool_servers: tuple[str, ...] | None = None
    """None: all of them."""
    builtin_tools: tuple[str, ...] = ()
    """Which of the bridge's own tools the assistant has here, by their names without `bridge__`."""
    tools: tuple[ToolRule, ...] = ()
    """What holds for calls in conversations of this channel, before what holds for all."""
    history_limit: int = 200
    """Messages that the model sees at most."""
    while_busy: WhileBusy = "join"
    window: Window = Window()
    """What one request may hold beside that."""
    late_after_s: float = 3600.0
    gather_s: float = 0.0
    """How long a reply waits for what its sender's app made a message of its own; 0: it gathers nothing."""
    quiet: QuietHours | None = None
    """When what is sent makes no sound, and nobody is reminded."""
    speak: Literal["never", "voice", "always"] = "never"
    """Which of the assistant's answers are spoken beside the text: those to voice messages, or all."""
    keep_days: float = 0.0
    """After how many days the content of its conversations is forgotten; 0 for never."""
    groups: GroupMode = "mention"
    chats: Mapping[str, GroupMode] = field(default_factory=dict[str, GroupMode])
    """What holds instead in single groups or topics, by `chat_id` or `chat_id/thread_id`."""

    bots: BotMode = "never"
    bot_chats: Mapping[str, BotMode] = field(default_factory=dict[str, BotMode])
    """What holds instead in single groups or topics."""
    bot_turns: int = 4
    """How many messages of other bots are answered in a row, before a person has to write; or posts of a channel."""

    guests: str = ""
    """The pattern of chats whose people are guests (`Incoming.outsider`), as its type declares it; empty: none are."""

    def asks_in(self, chat: str) -> str:
        """Where calls of a chat are asked instead: its account's owner, else nobody in chats; "" for the chat itself.

        Guests are not asked for approvals, and not shown what is.
        """
        match = re.fullmatch(self.guests, chat) if self.guests else None
        if match is None:
            return ""
        owner = match.groupdict().get("owner")
        return f"{self.name}/{owner}" if owner else AGENTS

    def has_server(self, server: str) -> bool:
        """Whether its assistant has the tools of a tool server."""
        return self.tool_servers is None or server in self.tool_servers

    def bot_mode(self, chat: str) -> BotMode:
        """What holds for other bots in a chat, or in a topic of it."""
        return self.bot_chats.get(chat) or self.bot_chats.get(Address.on(self.name, chat).chat) or self.bots

    def group_mode(self, chat: str) -> GroupMode:
        """What holds in a group, or in a topic of it."""
        return self.chats.get(chat) or self.chats.get(Address.on(self.name, chat).chat) or self.groups


class EventRules(Struct, frozen=True):
    """MCP Events: whether clients may poll them, and have them posted to callbacks of their own."""

    poll: bool = False
    webhooks: bool = False
    local_hosts: frozenset[str] = frozenset()
    """Callbacks (HOST:PORT) that may be in private networks and without https."""
    of_client: int = 20
    """How many subscriptions one client may have."""

    @property
    def offered(self) -> bool:
        """Whether there are events for clients at all."""
        return self.poll or self.webhooks


class Rules(Struct, frozen=True):
    """What the owner wants of the bridge, as far as the engine is concerned."""

    channels: Mapping[str, ChannelRules] = field(default_factory=dict[str, ChannelRules])
    asking: ApprovalSettings = ApprovalSettings()
    """How calls are asked about that no rule for tools speaks of."""
    tools: tuple[ToolRule, ...] = ()
    """What holds for calls of single tools, wherever they are asked for."""
    separate: bool = False
    """Whoever started a turn may not decide what it asks for."""
    provider: bool = False
    """Whether clients may ask for verdicts on calls that they run themselves."""
    people: People = People()
    """Which principals are one person: `separate` and `quorum` count people."""
    doors_decide: bool = False
    """What one door of this machine's user asked for, another one may decide."""
    cli: bool = True
    """Verdicts are taken on the command line."""
    own_places: tuple[str, ...] = ()
    """Texts that name the bridge and its files (`core.own_places`): a call with one of them runs by no grant."""
    max_turns: int = 64
    """How many conversations are driven at once."""
    keep_events: int = 1_000_000
    """How many events of the feed are kept; readers that come later than that are told of the gap."""
    outbox: tuple[Path, ...] = ()
    """Folders whose files may be sent."""
    budget: Budget = Budget()
    caps: Caps = Caps()
    """What models may take in a day."""
    events: EventRules = EventRules()
    hears: bool = False
    """Whether voice messages are turned into text."""

    def channel(self, name: str) -> ChannelRules:
        """What holds on a channel; one that the config lacks has no tool servers, while clients' own calls have all."""
        return self.channels.get(name) or ChannelRules(name, tool_servers=None if name == CALLS else ())

    def quiet_until(self, channel: str, now: float) -> float:
        """Until when it is quiet on a channel, in epoch seconds; 0 where it is not."""
        hours = self.channel(channel).quiet
        return 0.0 if hours is None else hours.until(now)

    @property
    def relayed(self) -> bool:
        """Whether clients answer on some channel."""
        return any(each.responder == "relay" for each in self.channels.values())

    @property
    def places(self) -> frozenset[str]:
        """The conversations to which calls of others may be put, by route or escalation."""
        rules = [*self.tools, *(rule for channel in self.channels.values() for rule in channel.tools)]
        every = [self.asking.as_part(), *(rule.says for rule in rules)]
        named = [
            place
            for part in every
            for place in (part.get("route", ""), *part.get("also_route", ()), part.get("escalate_to", ""))
        ]
        return frozenset(place for place in named if place and Address.of(place).chat)
