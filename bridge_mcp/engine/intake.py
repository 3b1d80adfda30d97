"""Where messages come in: one gate for all of them, commands and answers included, and then the log.

A message is in the store before anybody acknowledges it; the same message twice is one entry.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal

from bridge_mcp.core.entries import Addressee, Heard, Posted, Question, Sender
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import SCOPES, Principal, Scope
from bridge_mcp.core.views import BRIDGE, Conversation, Event
from bridge_mcp.engine import commands
from bridge_mcp.engine.addresses import join, parse_message
from bridge_mcp.ports import (
    Arrival,
    ChannelRules,
    ChannelTraits,
    Clock,
    Incoming,
    Pairing,
    PairingRequest,
    Rules,
    Store,
)

__all__ = ["MAX_REQUESTS", "Intake"]

MAX_REQUESTS = 3
"""Open pairing requests per channel: a stranger cannot fill the owner's list."""

CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_EXPIRES_S = 3600.0

USER: frozenset[Scope] = frozenset({"read", "send"})
APPROVER: frozenset[Scope] = frozenset({"read", "send", "approve"})


class Intake:
    """The gate, for every process: a face takes in what its own user says, the engine what its channels hear."""

    def __init__(self, store: Store, rules: Rules, traits: Mapping[str, ChannelTraits], clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._traits = traits
        self._clock = clock

    async def put(self, arrival: Arrival) -> str:
        """Take a message in. Answers what a stranger is to be told, "" if nothing: strangers have no conversation."""
        if not isinstance(arrival, Incoming):
            return ""
        incoming = arrival
        pairings = await self._pairings(incoming)
        if pairings is None:
            return await self._request_pairing(incoming)
        await self._hear(incoming, principal_of(incoming, pairings))
        return ""

    async def offset(self, channel: str) -> int | None:
        """See `ports.Inbox`."""
        found = await self._store.board.get(f"offset:{channel}")
        return found if isinstance(found, int) else None

    async def hear(self, incoming: Incoming) -> int:
        """Take in what this machine's own user says on a channel that needs no pairing; the seq of the message."""
        return await self._hear(incoming, principal_of(incoming, ()))

    async def _pairings(self, incoming: Incoming) -> tuple[Pairing, ...] | None:
        """By what the sender was let in; None for a stranger. An empty list of pairings lets nobody in."""
        if not self._traits[incoming.channel].needs_pairing:
            return ()
        chat = incoming.chat.partition("/")[0]
        return await self._store.access.find(incoming.channel, chat, incoming.sender.id) or None

    async def _hear(self, incoming: Incoming, who: Principal) -> int:
        conversation = join(incoming.channel, incoming.chat)
        command = commands.is_command(incoming.text)
        known = await self._store.history.conversation(conversation)
        answers = None if command else await self._answered(conversation, known, incoming)
        rules = self._rules.channels.get(incoming.channel) or ChannelRules(incoming.channel)
        to: Addressee = "bridge" if command else (known.responder if known else None) or rules.responder
        heard = Heard(
            incoming.text,
            incoming.sender,
            incoming.key,
            to,
            answers,
            incoming.attachments,
            incoming.reply_to,
            late=self._clock.now() - incoming.at > rules.late_after_s,
            title=incoming.title,
        )
        (recorded,) = await self._store.log.record(conversation, heard)
        if command and recorded.new:
            await self._command(conversation, incoming, who)
        return recorded.seq

    async def _answered(self, conversation: str, known: Conversation | None, incoming: Incoming) -> int | None:
        """The open question that a message answers: the one it replies to, or the latest one if it fits."""
        seq = known.question if known else None
        if incoming.reply_to.startswith(f"{conversation}#"):
            seq = parse_message(incoming.reply_to)[1]
        if seq is None:
            return None
        asked = await self._store.history.message(conversation, seq)
        question = asked.question if asked else None
        if question is None or (question.expires_at and self._clock.now() >= question.expires_at):
            return None
        return seq if fits(question, incoming, replied=asked is not None and incoming.reply_to == asked.id) else None

    async def _command(self, conversation: str, incoming: Incoming, who: Principal) -> None:
        scene = commands.Scene(self._store, self._rules, self._traits, self._clock)
        try:
            answer = await commands.run(scene, who, conversation, incoming.text)
        except BridgeError as exc:
            answer = str(exc)
        await self._store.log.record(conversation, Posted(answer, BRIDGE, key=f"command:{incoming.key}"))

    async def _request_pairing(self, incoming: Incoming) -> str:
        now = self._clock.now()
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
        chat = incoming.chat.partition("/")[0]
        name = incoming.title or incoming.sender.name
        wanted = PairingRequest(code, incoming.channel, chat, name, now, now + CODE_EXPIRES_S)
        opened = await self._store.access.request(wanted, MAX_REQUESTS)
        if opened is None or opened.code != code:
            return ""
        body = {"channel": wanted.channel, "subject": chat, "name": name, "expires_at": wanted.expires_at}
        await self._store.feed.publish(Event("pairing.requested", "", now, dict(body)))
        return f"This bot does not know you yet. Show its owner this code: {code}"


def fits(question: Question, incoming: Incoming, *, replied: bool) -> bool:
    """Whether a message can be the answer: one of the choices where there are any, else a reply or the next message."""
    if not question.choices:
        return True
    said = incoming.text.strip().casefold()
    return replied or any(said == choice.casefold() for choice in question.choices)


def principal_of(incoming: Incoming, pairings: tuple[Pairing, ...]) -> Principal:
    """Who acts when this message acts. An approver is named by a pairing of their own id, never by that of a group."""
    channel = incoming.channel
    if not pairings:
        return local_principal(incoming.sender, channel)
    own = [p for p in pairings if p.subject == incoming.sender.id and incoming.sender.kind == "person"]
    scopes = APPROVER if any(p.role == "approver" for p in own) else USER
    return Principal(f"{channel}:{incoming.sender.id}", "person", scopes, frozenset({channel}), via="chat text")


def local_principal(sender: Sender, channel: str) -> Principal:
    """Whoever speaks on a local channel acts with the rights of who they are: the owner, or an MCP client."""
    kind: Literal["client", "owner"] = "owner" if sender.kind == "owner" else "client"
    scopes = frozenset(SCOPES) if kind == "owner" else USER
    return Principal(sender.id, kind, scopes, frozenset() if kind == "owner" else frozenset({channel}), via="chat text")
