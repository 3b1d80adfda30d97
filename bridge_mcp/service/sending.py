"""Sends messages and questions, runs turns, and sets who answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal
from uuid import uuid4

import anyio
from msgspec import structs

from bridge_mcp.core.address import Address
from bridge_mcp.core.capabilities import Capabilities, check_edit, check_post, check_reaction
from bridge_mcp.core.entries import (
    Button,
    Configured,
    Entry,
    Heard,
    Posted,
    Question,
    Reacted,
    Responder,
    Revised,
    Sender,
    TopicAsked,
    key,
    message_id,
)
from bridge_mcp.core.errors import BadInput, Denied, KeyUsed, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import ASSISTANT, Message
from bridge_mcp.core.results import (
    Later,
    Sent,
    Ticket,
)
from bridge_mcp.operations import claims, conversations, later, tickets
from bridge_mcp.operations.addresses import check_text, parse_message
from bridge_mcp.ports import (
    Claim,
    Incoming,
    Recorded,
)
from bridge_mcp.service.attachments import Filing
from bridge_mcp.service.base import own_key, sender_of

__all__ = ["Sending"]


MAX_BUTTONS = 20


class Sending(Filing):
    """Methods that need the scope `send`."""

    async def send_message(
        self,
        who: Principal,
        conversation: str,
        text: str,
        *,
        files: Sequence[str] = (),
        reply_to: str = "",
        buttons: Sequence[str] = (),
        silent: bool = False,
        send_at: str = "",
        idempotency_key: str = "",
        wait_s: float = 5.0,
    ) -> Sent:
        """Send a message to a local or paired conversation; the result says what became of it.

        `files` are paths below an outbox folder, or `MESSAGE_ID/INDEX` of files that came in. Pressing one of the
        `buttons` says its text. `reply_to` is a message id of this conversation.

        Waits up to `wait_s` for the platform; after that the status is `queued` and the message goes out by itself.
        With `send_at` (as `2026-12-24T09:00:00+01:00`) it is `scheduled`, and sent then.
        """
        who.require("send")
        await self._writable(who, conversation)
        check_text(text, "text")
        if not text.strip() and not files:
            raise BadInput("The message is empty.", fix="Pass a text, or at least one file.")
        attached = await self._files(who, files)
        check_post(*self._able(conversation), buttons=len(buttons), files=attached)
        entry = Posted(
            text,
            by=sender_of(who),
            key=own_key(who, idempotency_key),
            files=attached,
            buttons=pressable(buttons),
            reply_to=await self._answerable(conversation, reply_to),
            silent=silent,
            trace=who.trace,
        )
        if send_at:
            at = later.due_time(send_at, self.clock.now())
            id, recorded = await later.schedule(self.store, conversation, entry, at)
            return Sent(id, "scheduled", repeated=not recorded.new, warning=self._silence())
        return await self._sent(conversation, await self._write(conversation, entry), wait_s)

    async def scheduled_messages(self, who: Principal) -> tuple[Later, ...]:
        """The messages to be sent later that `who` may see, the next one first; without `read`, those of its own."""
        who.require("send")
        visible = [message for message in await later.scheduled_messages(self.store) if who.sees(message.conversation)]
        return tuple([message for message in visible if message.by == who.name or "read" in who.scopes])

    async def cancel_scheduled(self, who: Principal, message: str) -> bool:
        """Have a message not sent later; False if its time came first.

        Raises:
            NotFound: there is no such message that `who` may see.
        """
        scheduled = next((m for m in await self.scheduled_messages(who) if m.id == message), None)
        if scheduled is None:
            raise NotFound(f"No message '{message[:80]}' waits for its time.", fix="See scheduled_messages.")
        await claims.free_for(self.store, who, scheduled.conversation, self.clock.now())
        return await later.cancel(self.store, scheduled, who.name)

    async def edit_message(
        self,
        who: Principal,
        message: str,
        text: str,
        *,
        buttons: Sequence[str] = (),
        idempotency_key: str = "",
        wait_s: float = 5.0,
    ) -> Sent:
        """Edit a sent message: replace its text and its buttons.

        Raises:
            Denied: it was written by somebody else, or by the bridge itself.
        """
        who.require("send")
        stored = await self._message(who, message)
        if stored.direction == "in" or stored.author.id not in (who.name, ASSISTANT.id):
            raise Denied(f"{message} was not sent by {who.name}.", fix="Edit messages of your own, or send a new one.")
        check_text(text, "text")
        if not text.strip():
            raise BadInput("The text is empty.", fix="Pass the whole new text.")
        check_edit(*self._able(stored.conversation), buttons=len(buttons))
        entry = Revised(stored.seq, text, sender_of(who), key=own_key(who, idempotency_key), buttons=pressable(buttons))
        return await self._sent(stored.conversation, await self._write(stored.conversation, entry), wait_s)

    async def react(
        self, who: Principal, message: str, emoji: str, *, idempotency_key: str = "", wait_s: float = 5.0
    ) -> Sent:
        """Set a reaction on a message; an empty emoji removes it."""
        who.require("send")
        stored = await self._message(who, message)
        check_text(emoji, "emoji", 32)
        check_reaction(*self._able(stored.conversation))
        entry = Reacted(stored.seq, emoji.strip(), sender_of(who), key=own_key(who, idempotency_key))
        return await self._sent(stored.conversation, await self._write(stored.conversation, entry), wait_s)

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
        await self._writable(who, conversation)
        check_text(question, "question")
        if len(choices) > 20 or len(set(choices)) != len(choices) or not all(c.strip() for c in choices):
            raise BadInput("The choices are not usable.", fix="Pass at most 20 different choices, none empty.")
        for choice in choices:
            check_text(choice, "choices", 200)
        now = self.clock.now()
        entry = Posted(
            question,
            by=sender_of(who),
            key=own_key(who, idempotency_key),
            buttons=pressable(choices),
            question=Question(tuple(choices), now + expires_s if expires_s > 0 else 0.0, expires_s=max(0.0, expires_s)),
        )
        recorded = await self._write(conversation, entry)
        return await tickets.look(self.store, tickets.question(conversation, recorded.seq), now)

    async def run_turn(
        self,
        who: Principal,
        conversation: str,
        text: str,
        *,
        wait_s: float = 0.0,
        idempotency_key: str = "",
        begun: Callable[[str], object] = lambda ticket: None,
    ) -> Ticket:
        """Run a turn of the assistant in a conversation, as if the caller had written `text` there.

        The reply goes to the chat. The ticket is done when the assistant has replied, or the turn was stopped; while
        it is open it names the approvals it waits for. Waits up to `wait_s`, but not for verdicts: the caller may have
        to give them. `begun` is called with the ticket before the wait.
        """
        who.require("send")
        await self._writable(who, conversation)
        check_text(text, "text")
        if not text.strip():
            raise BadInput("The text is empty.", fix="Say what the assistant shall do.")
        heard = Heard(text, sender_of(who), key=own_key(who, idempotency_key), to="assistant", trace=who.trace)
        ticket = ""
        with anyio.CancelScope(shield=True):  # the turn begins even if the caller goes away meanwhile
            ticket = tickets.turn(conversation, (await self._write(conversation, heard)).seq)
        begun(ticket)
        return await self._wait(ticket, wait_s, for_people=False)

    async def cancel_turn(self, who: Principal, ticket: str) -> bool:
        """Cancel a turn that `who` has started, with its model and tool calls. False if it was over before.

        Messages that others wrote meanwhile, and that no reply has read, are answered all the same.

        Raises:
            Denied: somebody else has started it.
        """
        who.require("send")
        parsed = tickets.parse(ticket)
        if parsed.kind != "turn":
            raise BadInput(f"'{ticket}' is the ticket of no turn.", fix="Pass one that run_turn gave.")
        self._address(who, parsed.conversation)
        asked = await self.store.history.message(parsed.conversation, parsed.seq)
        if asked is None or asked.author != sender_of(who):
            raise Denied(f"{who.name} did not start this turn.", fix="Use /stop in its chat, if you may.")
        state = await tickets.look(self.store, ticket, self.clock.now())
        if state.state == "done":
            return False
        return await conversations.withdraw(self.store, parsed.conversation, parsed.seq, who.name, tickets.CANCELLED)

    async def set_responder(
        self, who: Principal, conversation: str, responder: Literal["assistant", "relay", "off", "default"]
    ) -> Responder:
        """Set who answers from now on (`default`: as the channel's config says). Returns who that is."""
        who.require("send")
        if responder not in ("assistant", "relay", "off", "default"):
            raise BadInput(f"There is no responder '{responder}'.", fix="Use assistant, relay, off or default.")
        await self._open(who, conversation)
        override: Responder | None = None if responder == "default" else responder
        await self.store.log.record(conversation, Configured(who.name, override))
        return override or self.rules.channel(Address.of(conversation).channel).responder

    async def claim_conversation(self, who: Principal, conversation: str, for_s: float) -> Claim | None:
        """Have a conversation for itself for `for_s` seconds (at most 3600): no other client writes there meanwhile.

        It ends by itself; 0 gives it back at once, and answers None. Claiming it again sets a new end.

        Raises:
            Denied: another client has it; the message says who, and until when.
        """
        who.require("send")
        await self._open(who, conversation)
        if for_s == 0:
            await claims.release(self.store, who, conversation, self.clock.now())
            return None
        return await claims.claim(self.store, who, conversation, for_s, self.clock.now())

    async def say(self, who: Principal, conversation: str, text: str, *, name: str = "", key: str = "") -> str:
        """Write in a conversation of a local channel, as the person at the terminal or in the console.

        It takes the same path as a message from any platform, but a verdict in it is the command line's or the
        console's where `who` comes from there, and a command in it needs the scopes of `who`. Returns the message's id.
        """
        who.require("send")
        address = self._address(who, conversation)
        channel = address.channel
        if not self.traits[channel].delivered_by_commit:
            raise BadInput(
                f"{channel} is a {self.traits[channel].type} channel: people speak there themselves.",
                fix="Use send_message or run_turn, or say it on a local channel.",
            )
        check_text(text, "text")
        if not text.strip():
            raise BadInput("The message is empty.", fix="Pass a text.")
        sender = Sender(who.name, name or who.name, "owner" if who.kind == "owner" else "client")
        incoming = Incoming(channel, address.target, key or uuid4().hex, sender=sender, text=text, at=self.clock.now())
        seq = await self.intake.hear(incoming, who.via if who.via in ("cli", "console") else "", who.scopes)
        return message_id(conversation, seq)

    async def _writable(self, who: Principal, conversation: str) -> None:
        """Raise unless `who` may write there now: it is open to messages, and no other client has claimed it."""
        await self._open(who, conversation)
        await claims.free_for(self.store, who, conversation, self.clock.now())

    def _able(self, conversation: str) -> tuple[str, Capabilities]:
        """The channel of a conversation, and what it can do."""
        channel = Address.of(conversation).channel
        return channel, self.traits[channel].can

    async def _message(self, who: Principal, message: str) -> Message:
        """A message of a conversation that `who` may send to."""
        conversation, seq = parse_message(message)
        await self._open(who, conversation)
        stored = await self.store.history.message(conversation, seq)
        if stored is not None and stored.kind == "edit":  # the id of an edit stands for the edited message
            stored = await self.store.history.message(conversation, stored.target or 0)
        if stored is None or stored.kind != "message":
            raise NotFound(f"There is no message '{message}'.", fix="See read_messages.")
        return stored

    async def _answerable(self, conversation: str, reply_to: str) -> str:
        """The message id, or "". Raises unless it is of this conversation."""
        if reply_to and (
            parse_message(reply_to)[0] != conversation
            or await self.store.history.message(*parse_message(reply_to)) is None
        ):
            raise NotFound(f"There is no message '{reply_to}' in {conversation}.", fix="See read_messages.")
        return reply_to

    async def _sent(self, conversation: str, recorded: Recorded, wait_s: float) -> Sent:
        """The state of a message, an edit or a reaction after at most `wait_s`."""
        if self._delivered_by_commit(conversation) and recorded.new:
            return Sent(message_id(conversation, recorded.seq), "sent")
        message = await self._settled_message(conversation, recorded.seq, wait_s)
        warning = self._silence() if message.status in ("queued", "sending") else ""
        return Sent(
            message.id,
            message.status,
            message.reason,
            parts=message.platform_ids,
            repeated=not recorded.new,
            warning=warning,
        )

    async def _write(self, conversation: str, entry: Posted | Heard | Revised | Reacted | TopicAsked) -> Recorded:
        """Record a message, or find the one that was recorded before with the same key.

        It is compared with the whole entry of then, not with the message's later text or state.

        Raises:
            KeyUsed: the key belongs to another message.
        """
        (recorded,) = await self.store.log.record(conversation, entry)
        if not recorded.new:
            before = await self.store.log.find(conversation, key(entry) or "")
            if before is None or as_asked(before.entry) != as_asked(entry):
                raise KeyUsed(
                    "This idempotency_key was used for another message here.",
                    fix="Use a new key for each different message, and the same one only to repeat a call.",
                )
        return recorded


def as_asked(entry: Entry) -> Entry:
    """An entry without the fields that differ at each call (random tokens, times), for comparing requests."""
    match entry:
        case Posted(question=Question() as question):
            entry = structs.replace(entry, question=structs.replace(question, expires_at=0.0))
        case _:
            pass
    if isinstance(entry, Posted | Heard):
        entry = structs.replace(entry, trace=None)
    if isinstance(entry, Posted | Revised):
        return structs.replace(entry, buttons=tuple([structs.replace(button, token="") for button in entry.buttons]))
    return entry


def pressable(labels: Sequence[str]) -> tuple[Button, ...]:
    """Buttons whose value is their label, each with a random token for the platform.

    Raises:
        BadInput: there are too many, or one is empty, too long or a duplicate.
    """
    if len(labels) > MAX_BUTTONS or len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
        raise BadInput("The buttons are not usable.", fix=f"Pass at most {MAX_BUTTONS} different texts, none empty.")
    for label in labels:
        check_text(label, "buttons", 200)
    return tuple(Button(label, label, secrets.token_urlsafe(15)) for label in labels)
