"""`Bridge`: the one API of the MCP face, the CLI, the console and programs that embed the bridge.

Every method takes the principal who acts, checks its scope and its limits first, and works the same in every process:
it reads the store and appends to logs; the engine, here or in another process, does the rest. It knows no protocol and
no platform. Times are epoch seconds, durations seconds, ids the strings that other methods answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Literal, TypeAlias
from uuid import uuid4

from bridge_mcp import __version__
from bridge_mcp.core.answers import (
    ChannelInfo,
    ConversationPage,
    ConversationStatus,
    Decision,
    MessagePage,
    Sent,
    Status,
    Ticket,
    ToolList,
)
from bridge_mcp.core.entries import (
    Attachment,
    Button,
    Call,
    Configured,
    Heard,
    Logged,
    Posted,
    Question,
    Requested,
    Responder,
    Sender,
    call_id,
    message_id,
)
from bridge_mcp.core.errors import BadInput, Conflict, Denied, NotFound, NotPaired
from bridge_mcp.core.policy import SCOPES, Grant, Principal
from bridge_mcp.core.tools import JSON, ToolSpec, canonical
from bridge_mcp.core.views import EVENT_TYPES, Approval, EventType, Message
from bridge_mcp.engine import board, commands, control, tickets, verdicts
from bridge_mcp.engine.addresses import (
    CALLS,
    check_text,
    parse_conversation,
    parse_message,
)
from bridge_mcp.engine.intake import Intake
from bridge_mcp.ports import (
    ChannelRules,
    ChannelTraits,
    Clock,
    EventPage,
    Incoming,
    Pairing,
    PairingRequest,
    Rules,
    Store,
)

__all__ = ["MAX_WAIT_S", "OWNER", "Bridge", "SchemaCheck"]

SchemaCheck: TypeAlias = Callable[[ToolSpec, Mapping[str, JSON]], str]

MAX_WAIT_S = 50.0
"""No call waits longer: hosts have been seen to cut calls near 60 seconds."""

OWNER = Principal("owner", "owner", frozenset(SCOPES))
"""Whoever may start the process: the CLI and programs that embed the bridge act as the owner."""


class Bridge:
    """The bridge, as whoever drives it sees it."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        traits: Mapping[str, ChannelTraits],
        *,
        clock: Clock,
        check: SchemaCheck,
        is_engine: Callable[[], bool] = lambda: False,
    ) -> None:
        self.store = store
        self.rules = rules
        self.traits = traits
        self.intake = Intake(store, rules, traits, clock)
        self._clock = clock
        self._check = check
        self._is_engine = is_engine

    # -- read -------------------------------------------------------------------------------------------------

    async def list_channels(self, who: Principal) -> tuple[ChannelInfo, ...]:
        """The channels `who` may see, in the order of the config."""
        who.require("read")
        told = await board.channels(self.store)
        return tuple(
            board.channel_info(traits, self._channel_rules(name), told.get(name))
            for name, traits in self.traits.items()
            if who.sees(name)
        )

    async def list_conversations(
        self, who: Principal, *, channel: str = "", query: str = "", limit: int = 50, cursor: str = ""
    ) -> ConversationPage:
        """Conversations, the most recent first. `query` is a part of an id or a title; `limit` is 1 to 200."""
        who.require("read")
        found, following = await self.store.history.conversations(
            channels=self._channels(who, channel), query=query, limit=bounded("limit", limit, 200), cursor=cursor
        )
        return ConversationPage(found, following)

    async def read_messages(
        self, who: Principal, conversation: str, *, before: str = "", limit: int = 50
    ) -> MessagePage:
        """The last `limit` (1 to 200) messages before the message `before`, oldest first."""
        who.require("read")
        await self._known(who, conversation)
        bound = None
        if before:
            of, bound = parse_message(before)
            if of != conversation:
                raise BadInput(f"'{before}' is no message of {conversation}.", fix="Pass an id from read_messages.")
        limit = bounded("limit", limit, 200)
        found = await self.store.history.messages(conversation, before=bound, limit=limit)
        return MessagePage(conversation, found, found[0].id if len(found) == limit else "")

    async def search_messages(
        self, who: Principal, query: str, *, conversation: str = "", limit: int = 20
    ) -> tuple[Message, ...]:
        """Messages that hold every word of `query`, the newest first; `limit` is 1 to 100."""
        who.require("read")
        check_text(query, "query", 1_000)
        if conversation:
            await self._known(who, conversation)
        return await self.store.history.search(
            query, conversation=conversation, channels=who.channels, limit=bounded("limit", limit, 100)
        )

    async def wait_for_events(
        self,
        who: Principal,
        *,
        after: int | None = None,
        consumer: str = "",
        types: Sequence[str] = (),
        conversation: str = "",
        limit: int = 100,
        timeout_s: float = 0.0,
    ) -> EventPage:
        """Events after the cursor `after`, waiting up to `timeout_s` (at most 50) for the first one.

        Without `after`, a named `consumer` goes on where it last acknowledged, and others start at the newest event.
        With both, `after` acknowledges: the consumer's stored cursor moves there, and never back.
        """
        who.require("read")
        wanted = event_types(types)
        if conversation:
            self._address(who, conversation)
        after = await self._cursor(who, after, consumer)
        with closing(self.store.agenda.watch()) as changes:
            deadline = self._clock.now() + bounded_wait(timeout_s)
            while True:
                page = await self.store.feed.read(
                    after,
                    bounded("limit", limit, 500),
                    types=wanted,
                    conversation=conversation,
                    channels=who.channels,
                )
                left = deadline - self._clock.now()
                if page.events or page.gap or left <= 0:
                    return page
                after = page.cursor
                await changes.wait(left)

    async def wait_for(self, who: Principal, ticket: str, *, timeout_s: float = 0.0) -> Ticket:
        """How a ticket stands, waiting up to `timeout_s` (at most 50) for it to be done."""
        who.require("read")
        parsed = tickets.parse(ticket)
        self._address(who, parsed.conversation, calls=True)
        return await self._wait(ticket, timeout_s)

    async def list_approvals(
        self, who: Principal, *, conversation: str = "", status: str = "waiting", limit: int = 100
    ) -> tuple[Approval, ...]:
        """Approvals, the oldest first. `status`: waiting, approved, rejected, expired, cancelled, or any."""
        who.require("read")
        allowed = ("waiting", "approved", "rejected", "expired", "cancelled", "any")
        if status not in allowed:
            raise BadInput(f"There is no status '{status}'.", fix=f"Use one of: {', '.join(allowed)}.")
        if conversation:
            self._address(who, conversation, calls=True)
        return await self.store.approvals.find(
            status="" if status == "any" else status,
            conversation=conversation,
            channels=who.channels,
            limit=bounded("limit", limit, 500),
        )

    async def list_tools(self, who: Principal) -> ToolList:
        """The nested tools, as the engine last told of them."""
        who.require("read")
        return await board.tools(self.store)

    async def get_status(self, who: Principal) -> Status:
        """How the bridge is, and what is wrong with it."""
        who.require("read")
        engine = await board.engine(self.store)
        listed = await board.tools(self.store)
        waiting = await self.store.approvals.find(status="waiting", channels=who.channels, limit=500)
        channels = await self.list_channels(who)
        return Status(
            version=__version__,
            role="engine" if self._is_engine() else "face",
            engine_pid=engine.pid if engine else None,
            engine_since=engine.since if engine else 0.0,
            channels=channels,
            servers=listed.servers,
            waiting_approvals=len(waiting),
            event_cursor=await self.store.feed.head(),
            warnings=board.warnings(engine, channels, listed.servers),
        )

    async def get_conversation(self, who: Principal, conversation: str) -> ConversationStatus:
        """How one conversation is: responder, what it waits for, and what it has cost."""
        who.require("read")
        await self._known(who, conversation)
        return await control.conversation_status(self.store, self.rules, conversation)

    async def read_log(self, who: Principal, conversation: str, *, after: int = -1) -> tuple[Logged, ...]:
        """The entries of a conversation's log with seq > after: who did what, and when."""
        who.require("admin")
        self._address(who, conversation, calls=True)
        log = await self.store.log.load(conversation, after)
        if not log and after < 0:
            raise NotFound(f"There is no conversation '{conversation}'.", fix="See list_conversations.")
        return log

    # -- send -------------------------------------------------------------------------------------------------

    async def send_message(
        self,
        who: Principal,
        conversation: str,
        text: str,
        *,
        files: Sequence[Attachment] = (),
        reply_to: str = "",
        buttons: Sequence[Button] = (),
        silent: bool = False,
        idempotency_key: str = "",
        wait_s: float = 5.0,
    ) -> Sent:
        """Send a message to a conversation that is open for sending; the answer says what became of it.

        Waits up to `wait_s` for the platform; after that the status is `queued` and the message goes out by itself.
        """
        who.require("send")
        await self._open(who, conversation)
        check_text(text, "text")
        if not text.strip() and not files:
            raise BadInput("The message is empty.", fix="Pass a text, or at least one file.")
        entry = Posted(
            text,
            by=sender_of(who),
            key=keyed(who, idempotency_key),
            files=tuple(files),
            buttons=tuple(buttons),
            reply_to=reply_to,
            silent=silent,
        )
        (recorded,) = await self.store.log.record(conversation, entry)
        if self._delivered_by_commit(conversation) and recorded.new:
            return Sent(message_id(conversation, recorded.seq), "sent")
        message = await self._settled_message(conversation, recorded.seq, wait_s)
        return Sent(message.id, message.status, message.reason, message.platform_ids, not recorded.new)

    async def ask_user(
        self,
        who: Principal,
        conversation: str,
        question: str,
        *,
        choices: Sequence[str] = (),
        expires_s: float = 3600.0,
        idempotency_key: str = "",
    ) -> Ticket:
        """Ask the people of a conversation; the ticket is done when one of them answers, or when it expires.

        `expires_s` 0 is never. An answer is a reply to the question, a press of a choice, or, where only one question
        is open and it offers no choices, the next message.
        """
        who.require("send")
        await self._open(who, conversation)
        check_text(question, "question")
        if len(choices) > 20 or len(set(choices)) != len(choices) or not all(c.strip() for c in choices):
            raise BadInput("The choices are not usable.", fix="Pass at most 20 different choices, none empty.")
        for choice in choices:
            check_text(choice, "choices", 200)
        entry = Posted(
            question,
            by=sender_of(who),
            key=keyed(who, idempotency_key),
            buttons=tuple(Button(choice, choice) for choice in choices),
            question=Question(tuple(choices), self._clock.now() + expires_s if expires_s > 0 else 0.0),
        )
        (recorded,) = await self.store.log.record(conversation, entry)
        return await tickets.look(self.store, tickets.question(conversation, recorded.seq), self._clock.now())

    async def run_turn(
        self, who: Principal, conversation: str, text: str, *, wait_s: float = 0.0, idempotency_key: str = ""
    ) -> Ticket:
        """Have the assistant take a turn in a conversation, as if `text` had been said there by the caller.

        The reply goes to the chat. The ticket is done when the assistant has replied, or the turn was stopped; while
        it is open it names the approvals it waits for.
        """
        who.require("send")
        await self._open(who, conversation)
        check_text(text, "text")
        if not text.strip():
            raise BadInput("The text is empty.", fix="Say what the assistant shall do.")
        heard = Heard(text, sender_of(who), key=keyed(who, idempotency_key), to="assistant")
        (recorded,) = await self.store.log.record(conversation, heard)
        return await self._wait(tickets.turn(conversation, recorded.seq), wait_s)

    async def set_responder(
        self, who: Principal, conversation: str, responder: Literal["assistant", "relay", "off", "default"]
    ) -> Responder:
        """Say who answers what comes in from now on (`default`: as the channel's config says). Answers who that is."""
        who.require("send")
        if responder not in ("assistant", "relay", "off", "default"):
            raise BadInput(f"There is no responder '{responder}'.", fix="Use assistant, relay, off or default.")
        await self._open(who, conversation)
        wanted: Responder | None = None if responder == "default" else responder
        await self.store.log.record(conversation, Configured(who.name, wanted))
        return wanted or self._channel_rules(conversation.partition("/")[0]).responder

    async def say(self, who: Principal, conversation: str, text: str, *, name: str = "", key: str = "") -> str:
        """Say something in a conversation of a local channel, as the person at the terminal or in the console.

        It passes the same gate as a message from any platform. Answers the id of the message.
        """
        who.require("send")
        channel, _, chat = self._address(who, conversation).partition("/")
        if not self.traits[channel].delivered_by_commit:
            raise BadInput(
                f"{channel} is a {self.traits[channel].type} channel: people speak there themselves.",
                fix="Use send_message or run_turn, or say it on a local channel.",
            )
        check_text(text, "text")
        sender = Sender(who.name, name or who.name, "owner" if who.kind == "owner" else "client")
        incoming = Incoming(channel, chat, key or uuid4().hex, sender, text, self._clock.now())
        seq = await self.intake.hear(incoming)
        return message_id(conversation, seq)

    # -- approve ----------------------------------------------------------------------------------------------

    async def approve_call(
        self,
        who: Principal,
        approval_id: str,
        *,
        digest: str = "",
        arguments: Mapping[str, JSON] | None = None,
        remember: Literal["once", "conversation", "always"] = "once",
        note: str = "",
    ) -> Decision:
        """Let one waiting call run; with `arguments`, as edited.

        With `digest`, only if it is the digest of what waits. `remember` also grants later calls of this tool, in this
        conversation or always, until the grant is revoked. The first verdict wins.

        Raises:
            AlreadyDecided: somebody was first; the message says who, and how.
            BadInput: the digest does not match, or the edited arguments break the tool's schema.
            Denied: whoever asked for a call may not approve it.
        """
        who.require("approve")
        check_text(note, "note", 2_000)
        if remember not in ("once", "conversation", "always"):
            raise BadInput(f"'{remember}' cannot be remembered.", fix="Use once, conversation or always.")
        approval = await self._approval(who, approval_id)
        return await verdicts.approve(
            self.store, approval, who, self._clock, self._check, digest=digest, arguments=arguments,
            remember=remember, note=note,
        )  # fmt: skip

    async def reject_call(self, who: Principal, approval_id: str, *, reason: str = "") -> Decision:
        """Keep one waiting call from running; the model is told the reason.

        Raises:
            AlreadyDecided: somebody was first; the message says who, and how.
        """
        who.require("approve")
        check_text(reason, "reason", 2_000)
        approval = await self._approval(who, approval_id)
        return await verdicts.reject(self.store, approval, who, reason)

    # -- tools ------------------------------------------------------------------------------------------------

    async def call_tool(
        self,
        who: Principal,
        tool: str,
        arguments: Mapping[str, JSON],
        *,
        wait_s: float = 20.0,
        idempotency_key: str = "",
    ) -> Ticket:
        """Call a nested tool through the same gate as the assistant: a free call answers at once, others wait.

        While the ticket is open it names the approval it waits for; the caller may not give that itself.
        """
        who.require("tools")
        listed = await board.tools(self.store)
        spec = next((spec for spec in listed.tools if spec.name == tool), None)
        if spec is None:
            known = ", ".join(s.name for s in listed.tools[:20]) or "none yet"
            raise NotFound(f"There is no tool '{tool}'.", fix=f"The tools are: {known}.")
        wrong = self._check(spec, arguments)
        if wrong:
            raise BadInput(f"These arguments do not fit {tool}: {wrong}", fix="See its schema in list_tools.")
        conversation = f"{CALLS}/{tickets.call_conversation(who.name, idempotency_key or uuid4().hex)}"
        asked = Requested((Call(call_id(0, 0), tool, canonical(dict(arguments))),), by=who.name)
        try:
            await self.store.log.intend(conversation, 0, asked)
        except Conflict:
            await self._same_request(conversation, asked)
        return await self._wait(tickets.call(conversation), wait_s)

    # -- admin ------------------------------------------------------------------------------------------------

    async def list_pairings(
        self, who: Principal, *, channel: str = ""
    ) -> tuple[tuple[Pairing, ...], tuple[PairingRequest, ...]]:
        """Who was let in, and who asks to be."""
        who.require("admin")
        allowed = self._channels(who, channel)
        pairings = await self.store.access.pairings(channel)
        requests = await self.store.access.requests(self._clock.now())
        return (
            tuple(p for p in pairings if not allowed or p.channel in allowed),
            tuple(r for r in requests if not allowed or r.channel in allowed),
        )

    async def pair_chat(
        self,
        who: Principal,
        *,
        code: str = "",
        channel: str = "",
        chat: str = "",
        role: Literal["user", "approver"] = "user",
        name: str = "",
    ) -> Pairing:
        """Let a chat or a person in: by the one-time `code` they were shown, or by `channel` and platform id."""
        who.require("admin")
        if role not in ("user", "approver"):
            raise BadInput(f"There is no role '{role}'.", fix="Use user or approver.")
        return await control.pair(self.store, self._clock, self.traits, who, code, Pairing(channel, chat, role, name))

    async def unpair_chat(self, who: Principal, *, channel: str, chat: str) -> None:
        """Let a chat or a person in no longer."""
        who.require("admin")
        if not who.sees(channel) or not await control.unpair(self.store, self._clock, channel, chat, who.name):
            raise NotFound(f"{chat} is not paired on {channel}.", fix="See list_pairings.")

    async def list_grants(self, who: Principal) -> tuple[Grant, ...]:
        """The standing verdicts in force."""
        who.require("admin")
        return await self.store.grants.active(self._clock.now())

    async def revoke_grant(self, who: Principal, grant: int) -> None:
        """End a standing verdict; calls that were running go on."""
        who.require("admin")
        if not await self.store.grants.revoke(grant):
            raise NotFound(f"There is no grant {grant}.", fix="See list_grants.")

    async def run_command(self, who: Principal, conversation: str, command: str) -> str:
        """Run one of the chat commands (`/status`, `/clear`, `/stop`, …) in a conversation; its answer as text."""
        who.require("admin")
        self._address(who, conversation)
        return await commands.run(
            commands.Scene(self.store, self.rules, self.traits, self._clock), who, conversation, command
        )

    # -- what they share --------------------------------------------------------------------------------------

    def _channel_rules(self, channel: str) -> ChannelRules:
        return self.rules.channels.get(channel) or ChannelRules(channel)

    def _channels(self, who: Principal, channel: str) -> frozenset[str]:
        """The channels a listing is limited to; empty for none."""
        if not channel:
            return who.channels
        if channel not in self.traits or not who.sees(channel):
            raise NotFound(f"There is no channel '{channel}'.", fix=f"The channels are: {self._names(who)}.")
        return frozenset({channel})

    def _names(self, who: Principal) -> str:
        return ", ".join(name for name in self.traits if who.sees(name)) or "none"

    def _address(self, who: Principal, conversation: str, *, calls: bool = False) -> str:
        """A conversation's address that `who` may name; an alien channel is as good as none."""
        channel = parse_conversation(conversation)
        if calls and channel == CALLS:
            if who.channels and tickets.caller(conversation) != who.name:
                raise NotFound(f"There is no '{conversation}' for {who.name}.", fix="Use a ticket of your own.")
            return conversation
        if channel not in self.traits or not who.sees(channel):
            raise NotFound(
                f"There is no channel '{channel}' (in '{conversation}').",
                fix=f"The channels are: {self._names(who)}.",
            )
        return conversation

    async def _known(self, who: Principal, conversation: str) -> None:
        """Let pass what exists, or what a local channel lets exist."""
        self._address(who, conversation)
        if not await self.store.history.conversation(conversation) and not self._delivered_by_commit(conversation):
            raise NotFound(f"There is no conversation '{conversation}'.", fix="See list_conversations.")

    async def _open(self, who: Principal, conversation: str) -> None:
        """Let pass what may be sent to: a local conversation, or a paired chat."""
        channel, _, chat = self._address(who, conversation).partition("/")
        if self.traits[channel].needs_pairing:
            if not await self.store.access.find(channel, chat.partition("/")[0]):
                raise NotPaired(
                    f"'{conversation}' is not paired with this bridge.",
                    fix=f"Have the owner run: bridge-mcp pair add {channel} {chat.partition('/')[0]}",
                )

    def _delivered_by_commit(self, conversation: str) -> bool:
        return self.traits[conversation.partition("/")[0]].delivered_by_commit

    async def _cursor(self, who: Principal, after: int | None, consumer: str) -> int:
        if after is not None and after < 0:
            raise BadInput(f"A cursor is never {after}.", fix="Use 0 to read from the beginning.")
        if not consumer:
            return await self.store.feed.head() if after is None else after
        check_text(consumer, "consumer", 100)
        if after is not None:
            await self.store.feed.read(after, 1)
        stored = await self.store.feed.acknowledge(f"{who.name}/{consumer}", -1 if after is None else after)
        return stored if after is None else after

    async def _wait(self, ticket: str, wait_s: float) -> Ticket:
        with closing(self.store.agenda.watch()) as changes:
            deadline = self._clock.now() + bounded_wait(wait_s)
            while True:
                found = await tickets.look(self.store, ticket, self._clock.now())
                left = deadline - self._clock.now()
                if found.state == "done" or left <= 0:
                    return found
                await changes.wait(min(left, 1.0))

    async def _settled_message(self, conversation: str, seq: int, wait_s: float) -> Message:
        with closing(self.store.agenda.watch()) as changes:
            deadline = self._clock.now() + bounded_wait(wait_s)
            while True:
                message = await self.store.history.message(conversation, seq)
                if message is None:
                    raise NotFound(f"There is no message '{message_id(conversation, seq)}'.")
                left = deadline - self._clock.now()
                if message.status not in ("queued", "sending") or left <= 0:
                    return message
                await changes.wait(left)

    async def _approval(self, who: Principal, approval_id: str) -> Approval:
        approval = await verdicts.find(self.store, approval_id)
        self._address(who, approval.conversation, calls=True)
        self._separate(who, approval)
        return approval

    def _separate(self, who: Principal, approval: Approval) -> None:
        """Keep the one who asks apart from the one who decides."""
        own_call = approval.conversation.startswith(f"{CALLS}/") and approval.requested_by == who.name
        own_turn = self.rules.separate and approval.requested_by == f"assistant for {who.name}"
        if own_call or own_turn:
            raise Denied(
                f"{who.name} asked for this call and may not decide it.",
                fix="Another client, an approver in a chat, or the owner has to.",
            )

    async def _same_request(self, conversation: str, asked: Requested) -> None:
        first = (await self.store.log.load(conversation))[0].entry
        if first != asked:
            raise BadInput(
                "This idempotency_key was used for another call.", fix="Use a new key for each different call."
            )


def bounded(what: str, value: int, most: int) -> int:
    """A number from 1 to `most`."""
    if not 1 <= value <= most:
        raise BadInput(f"{what} is {value}.", fix=f"Use 1 to {most}.")
    return value


def bounded_wait(seconds: float) -> float:
    """A wait of 0 to 50 seconds."""
    if not 0 <= seconds <= MAX_WAIT_S:
        raise BadInput(f"A call cannot wait {seconds:g} s.", fix=f"Use 0 to {MAX_WAIT_S:g}, and ask again.")
    return seconds


def event_types(types: Sequence[str]) -> tuple[EventType, ...]:
    """The types by which a feed is filtered."""
    unknown = [t for t in types if t not in EVENT_TYPES]
    if unknown:
        raise BadInput(f"There is no event type '{unknown[0]}'.", fix=f"The types are: {', '.join(EVENT_TYPES)}.")
    return tuple(t for t in EVENT_TYPES if t in types)


def sender_of(who: Principal) -> Sender:
    """A principal as the author of a message."""
    kind: Literal["person", "client", "owner", "bot"] = "owner" if who.kind == "owner" else "client"
    return Sender(who.name, who.name, kind)


def keyed(who: Principal, idempotency_key: str) -> str:
    """The key of what a principal does: its own key made private to it, or one that is used nowhere else."""
    check_text(idempotency_key, "idempotency_key", 200)
    return f"{who.name}:{idempotency_key}" if idempotency_key else uuid4().hex
