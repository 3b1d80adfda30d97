"""Access: who is paired, and as which principal they act, by message, command, edit or button of any channel."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Sender
from bridge_mcp.core.events import Event
from bridge_mcp.core.policy import SCOPES, Principal, Scope
from bridge_mcp.ports import (
    Access,
    ButtonPress,
    ChannelTraits,
    Clock,
    Connected,
    Happening,
    Incoming,
    Pairing,
    PairingRequest,
    Store,
)

__all__ = ["MAX_REQUESTS", "Admission", "is_let_in", "principal_of"]

MAX_REQUESTS = 20
"""Open pairing requests per channel; when there are more, the oldest is dropped for a new one."""
STANDS_S = 60.0
"""How long a request is kept at least: this limits the codes per minute in a crowd, and gives the owner time to type a
code."""

CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_EXPIRES_S = 3600.0

USER: frozenset[Scope] = frozenset({"read", "send"})
APPROVER: frozenset[Scope] = frozenset({"read", "send", "approve"})


class Admission:
    """Looks up pairings, and gives strangers their code."""

    def __init__(self, store: Store, traits: Mapping[str, ChannelTraits], clock: Clock) -> None:
        self._store = store
        self._traits = traits
        self._clock = clock

    async def of(self, arrival: Incoming | ButtonPress | Happening) -> tuple[Pairing, ...] | None:
        """The pairings that let the sender in; None for a stranger, () on a channel that needs no pairing.

        A person's own pairing does not count in a group: everybody there reads the answers.
        """
        if not self._traits[arrival.channel].needs_pairing:
            return ()
        chat = Address.on(arrival.channel, arrival.chat).chat
        pairings = await self._store.access.find(arrival.channel, chat, arrival.sender.id)
        return pairings if any(pairing.subject == chat for pairing in pairings) else None

    async def request(self, incoming: Incoming) -> str:
        """The answer to a stranger: their one-time code, once; "" while it is open, or if too many others just asked.

        Nobody can keep others out by asking first: a full list drops its oldest request.
        """
        chat = Address.on(incoming.channel, incoming.chat).chat
        name = incoming.title or incoming.sender.name
        if incoming.outsider == "guest" and not incoming.topic:
            name = chat  # the title is a guest's own name, and the request is for the whole account
        code = await self._open(incoming.channel, chat, name)
        return chat_texts.stranger(code) if code else ""

    async def connected(self, account: Connected) -> str:
        """The answer to somebody who connected their account: its code, as for a stranger; "" where it is let in."""
        if not account.active or await self._store.access.find(account.channel, account.chat):
            return ""
        code = await self._open(account.channel, account.chat, account.name)
        return chat_texts.account_connected(code) if code else ""

    async def _open(self, channel: str, chat: str, name: str) -> str:
        """Open a request for a pairing; its code, or "" where one is open."""
        now = self._clock.now()
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
        request = PairingRequest(code, channel, chat, name=name, at=now, expires_at=now + CODE_EXPIRES_S)
        opened = await self._store.access.request(request, MAX_REQUESTS, STANDS_S)
        if opened is None or opened.code != code:
            return ""
        body = {"channel": request.channel, "subject": chat, "name": name, "expires_at": request.expires_at}
        await self._store.feed.publish(Event("pairing.requested", "", now, body=dict(body)))
        return code


async def is_let_in(access: Access, traits: Mapping[str, ChannelTraits], conversation: str) -> bool:
    """Whether a chat is paired now, so that approvals may be shown there."""
    channel, chat, _ = Address.of(conversation)
    channel_traits = traits.get(channel)
    if channel_traits is None or not channel_traits.needs_pairing:
        return channel_traits is not None
    return bool(await access.find(channel, chat))


def principal_of(channel: str, sender: Sender, pairings: tuple[Pairing, ...], *, outsider: bool = False) -> Principal:
    """The principal of a sender. An approver's role comes from a pairing of their own id, never from a group's."""
    if not pairings:
        return local_principal(sender, channel)
    if sender.kind != "person" or outsider:
        # One who writes as a chat, through another bot or as a guest is unknown, and may read and ask only.
        return Principal(
            f"{channel}:{sender.id}", "person", frozenset({"read"}), channels=frozenset({channel}), via="chat text"
        )
    own_pairings = [p for p in pairings if p.subject == sender.id]
    scopes = APPROVER if any(p.role == "approver" for p in own_pairings) else USER
    return Principal(f"{channel}:{sender.id}", "person", scopes, channels=frozenset({channel}), via="chat text")


def local_principal(sender: Sender, channel: str) -> Principal:
    """The principal of a sender on a local channel: the owner, or an MCP client."""
    kind: Literal["client", "owner"] = "owner" if sender.kind == "owner" else "client"
    scopes = frozenset(SCOPES) if kind == "owner" else USER
    return Principal(
        sender.id, kind, scopes, channels=frozenset() if kind == "owner" else frozenset({channel}), via="chat text"
    )
