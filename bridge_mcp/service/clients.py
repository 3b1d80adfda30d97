"""Clients over HTTP: adds, lists and revokes them. A token is shown once, and stored as a hash."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Literal, TypeAlias

from msgspec.structs import replace

from bridge_mcp.core.bearer_tokens import hash_token
from bridge_mcp.core.entries import CALLS
from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.events import Event
from bridge_mcp.core.policy import CLIENT_NAME, RESERVED, SCOPES, Principal, Scope
from bridge_mcp.operations import later
from bridge_mcp.operations.addresses import parse_conversation
from bridge_mcp.ports import StoredClient
from bridge_mcp.service.base import BridgeBase

__all__ = ["Clients"]

Kind: TypeAlias = Literal["client.added", "client.revoked"]

PREFIX = "bridge_"
"""The prefix of tokens, so that people and secret scanners recognise them."""


class Clients(BridgeBase):
    """Methods that need the scope `admin` without limits to channels or conversations."""

    async def add_client(
        self,
        who: Principal,
        name: str,
        *,
        scopes: Collection[str] = ("read",),
        channels: Collection[str] = (),
        conversations: Collection[str] = (),
        taken_names: Collection[str] = (),
    ) -> tuple[StoredClient, str]:
        """Add a client. Returns it and its token, which cannot be shown again.

        Without `channels` and `conversations` it has no limits. `taken_names` are those of clients in the config.

        Raises:
            BadInput: the name is taken or not usable; a scope, a channel or a conversation does not exist.
        """
        self._unlimited(who)
        if not CLIENT_NAME.fullmatch(name) or name in RESERVED:
            raise BadInput(f"'{name[:80]}' is not a name for a client.", fix="Use letters, digits, '_', '.', '-'.")
        granted = scopes_of(scopes)
        for channel in channels:
            if channel not in self.traits:
                raise BadInput(f"There is no channel '{channel[:80]}'.", fix=f"The channels are: {self._names(who)}.")
        for conversation in conversations:
            if parse_conversation(conversation).channel not in {*self.traits, CALLS}:
                raise BadInput(f"There is no channel for '{conversation[:80]}'.", fix="Write channel/chat_id.")
        token = PREFIX + secrets.token_urlsafe(32)
        client = StoredClient(
            name,
            hash_token(token),
            granted,
            channels=frozenset(channels),
            conversations=frozenset(conversations),
            by=who.name,
            created_at=self.clock.now(),
        )
        if name in taken_names or not await self.store.clients.add(client):
            raise BadInput(f"There is a client '{name}' already.", fix="Use another name, or revoke it first.")
        await self._tell("client.added", client, who)
        return client, token

    async def list_clients(self, who: Principal) -> tuple[StoredClient, ...]:
        """The clients in the store, without the hashes of their tokens."""
        self._unlimited(who)
        return tuple([replace(client, token_hash="") for client in await self.store.clients.all()])

    async def client_now(self, name: str, scopes: frozenset[Scope]) -> Principal | None:
        """A client over HTTP as it may act now; None if nobody comes by this name any more.

        `scopes` are those of its last token, which alone tells them of a client of the authorization server.
        """
        visitors = {visitor.name: visitor for visitor in self._clients}
        if name.startswith("oauth:"):
            allowed = visitors.get("oauth")
            return None if allowed is None else replace(allowed, name=name, scopes=allowed.scopes & scopes)
        if name in visitors:
            return visitors[name]
        stored = next((client for client in await self.store.clients.all() if client.name == name), None)
        return None if stored is None else stored.principal

    async def revoke_client(self, who: Principal, name: str) -> None:
        """Revoke a client: at once, in all processes; its open requests end, and nothing of it is sent later."""
        self._unlimited(who)
        registered = next((client for client in await self.store.clients.all() if client.name == name), None)
        if registered is None or not await self.store.clients.revoke(name):
            raise NotFound(
                f"There is no client '{name[:80]}' here.",
                fix="See bridge-mcp clients list; those of bridge.toml are ended there.",
            )
        for message in await later.scheduled_messages(self.store):
            if message.by == name:
                await later.cancel(self.store, message, who.name)
        await self._tell("client.revoked", registered, who)

    async def end_subscription(self, who: Principal, subscription: str) -> None:
        """End a client's subscription to events: nothing is posted to its callback until it subscribes again."""
        self._unlimited(who)
        if not await self.store.subscriptions.remove(subscription):
            raise NotFound("There is no such subscription.", fix="It has ended already; see get_status.")

    def _unlimited(self, who: Principal) -> None:
        who.require("admin")
        if who.within:
            raise Denied(f"{who.name} is limited to some chats, and lets nobody in.", fix="The owner can.")

    async def _tell(self, kind: Kind, client: StoredClient, who: Principal) -> None:
        body = {"client": client.name, "scopes": ", ".join(sorted(client.scopes)), "by": who.name}
        await self.store.feed.publish(Event(kind, "", self.clock.now(), body=dict(body)))


def scopes_of(names: Collection[str]) -> frozenset[Scope]:
    """Scopes by their names.

    Raises:
        BadInput: there is no such scope, or `names` is empty.
    """
    unknown = [name for name in names if name not in SCOPES]
    if unknown or not names:
        complaint = f"There is no scope '{unknown[0][:80]}'." if unknown else "A client without a scope can do nothing."
        raise BadInput(complaint, fix=f"The scopes are: {', '.join(SCOPES)}.")
    return frozenset(scope for scope in SCOPES if scope in names)
