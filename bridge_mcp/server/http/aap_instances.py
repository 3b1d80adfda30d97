"""Instances of the Agent Approval Protocol: clients that a provisioner makes, with a webhook where they want one.

    POST /aap/v1/instances      make one (Idempotency-Key)

A provisioner is a client with the scope `admin` and no limits: it lets others in. An instance is a client with the
scope `tools`, revoked as any other. A receiver is asked first whether it is the one that registered: it sends a
challenge back. The answer holds the credential, so it is kept in no store; repeated within an hour, and while this
process lives, a request is answered the same.

Shapes as the published client (0.3) sends and reads them.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar, cast
from uuid import uuid4
from weakref import WeakValueDictionary

import anyio
from cachetools import TTLCache
from mcp.shared.exceptions import MCPError

from bridge_mcp.core.errors import BadInput, Denied
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.ports import EventSubscription, SubscriptionLimits
from bridge_mcp.server.events.callbacks import CallbackFailed, Callbacks, echoes
from bridge_mcp.server.events.protocol import check_secret, host_of
from bridge_mcp.server.http.aap_format import object_in
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.server.tools.json_text import compact
from bridge_mcp.service import Bridge

__all__ = ["InstanceRefused", "Instances"]

REPEATED_S = 3600.0
MAX_REPEATED = 1_000
"""Answers that are told again, and how long."""
MAX_INSTANCES = 500
"""Receivers in all; and at one host."""
VERIFICATIONS, VERIFY_AGAIN_S = 10, 1.0
"""How many receivers are asked in a minute, of one provisioner or at one host; and how soon the same one again."""
NEVER = 1e12
"""An instance's webhook ends with its client."""
MAX_NAME = 100


class InstanceRefused(Exception):
    """An instance is not made: the HTTP status, and the protocol's code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class WebhookDelivery(HidesFields, frozen=True):
    """Where an instance wants to be told that a request is decided."""

    HIDDEN: ClassVar = frozenset({"url", "secret"})

    url: str
    host: str
    registration: str
    secret: str


class Instances:
    """Makes instances over one bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._callbacks = Callbacks(bridge.rules.events.local_hosts)
        self._answers: TTLCache[tuple[str, str, str], tuple[JSON, dict[str, Any]]] = TTLCache(MAX_REPEATED, REPEATED_S)
        self._under_way: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()

    async def create(self, who: Principal, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The status and the answer.

        Raises:
            BadInput: the request has another shape.
            Denied: `who` may not make instances.
            InstanceRefused: the receiver did not agree, or the key belongs to another request.
        """
        who.require("admin")
        if who.within:
            raise Denied(f"{who.name} is limited to some chats, and makes no instances.", fix="The owner can.")
        fields = object_in(body, set(), {"instance_name", "delivery"})
        async with self._under_way.setdefault((who.name, key), anyio.Lock()):
            return await self._once(who, (await self._token_of(who), key), fields)

    async def _token_of(self, who: Principal) -> str:
        """The hash of a client's token in the store: whoever gets its name later is somebody else."""
        return next((each.token_hash for each in await self._bridge.store.clients.all() if each.name == who.name), "")

    async def _once(
        self, who: Principal, token_and_key: tuple[str, str], fields: dict[str, JSON]
    ) -> tuple[int, dict[str, Any]]:
        """The answer that was given for this token and key, or a new one."""
        recorded = self._answers.get((who.name, *token_and_key))
        if recorded is not None:
            if recorded[0] != fields:
                raise InstanceRefused(
                    409, "idempotency_conflict", "This Idempotency-Key was used for another instance."
                )
            return 200, recorded[1]
        name, delivery = name_in(fields), self._delivery_in(fields)
        instance = str(uuid4())
        if delivery is not None:
            await self._verify(who, delivery, instance)
        answer = await self._create_client(who, name or f"instance-{instance[:8]}", delivery, instance)
        self._answers[who.name, *token_and_key] = (fields, answer)
        return 201, answer

    async def _create_client(
        self, who: Principal, name: str, delivery: WebhookDelivery | None, instance: str
    ) -> dict[str, Any]:
        client = f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:40]}.{instance[:8]}"
        stored, token = await self._bridge.add_client(who, client, scopes=("tools",))
        if delivery is not None:
            position = await self._bridge.store.feed.head()
            subscription = EventSubscription(
                f"aap_{instance}",
                client,
                stored.scopes,
                event="approval.decided",
                channel="",
                conversation="",
                url=delivery.url,
                host=delivery.host,
                secret=delivery.secret,
                position=position,
                expires_at=NEVER,
                instance=instance,
            )
            limits = SubscriptionLimits(MAX_INSTANCES, 1, MAX_INSTANCES)
            if await self._bridge.store.subscriptions.put(subscription, limits):
                await self._bridge.revoke_client(who, client)
                raise InstanceRefused(429, "too_many", f"There are {MAX_INSTANCES} webhooks already.")
        return {"instance": {"id": instance, "name": name}, "credential": {"token": token, "expires_at": None}}

    def _delivery_in(self, request: Mapping[str, JSON]) -> WebhookDelivery | None:
        delivery = request.get("delivery")
        if delivery is None:
            return None
        fields = cast("dict[str, Any]", delivery) if isinstance(delivery, dict) else {}
        url, registration, secret = (fields.get(each) for each in ("url", "registration_id", "signing_secret"))
        if fields.get("type") != "webhook" or fields.keys() != {"type", "url", "registration_id", "signing_secret"}:
            raise BadInput("'delivery' is not a webhook with url, registration_id and signing_secret.")
        if not (isinstance(url, str) and len(url) <= 2048 and isinstance(registration, str)):
            raise BadInput("'delivery.url' or 'delivery.registration_id' is not a text.")
        if not 0 < len(registration) <= 200 or not isinstance(secret, str) or len(secret) > 200:
            raise BadInput("'delivery.registration_id' or 'delivery.signing_secret' has no usable length.")
        try:
            check_secret(secret)
            host = host_of(url, self._bridge.rules.events.local_hosts)
        except MCPError as exc:  # said in the words of MCP Events, whose callbacks these are too
            raise BadInput(exc.error.message.replace("delivery.secret", "delivery.signing_secret")) from None
        return WebhookDelivery(url, host, registration, secret)

    async def _verify(self, who: Principal, delivery: WebhookDelivery, instance: str) -> None:
        """Make sure that the receiver is the one that registered."""
        now = time.time()
        allowed = await self._bridge.store.subscriptions.ask(
            who.name, delivery.url, delivery.host, now, at_most=VERIFICATIONS, again_s=VERIFY_AGAIN_S
        )
        if allowed == "later":
            raise InstanceRefused(429, "too_many", "Too many receivers were asked; try again in a minute.")
        challenge, message = secrets.token_urlsafe(32), str(uuid4())
        body = compact(
            {
                "id": message,
                "type": "webhook.verification",
                "registration_id": delivery.registration,
                "instance_id": instance,
                "created_at": instant(now),
                "challenge": challenge,
            }
        )
        try:
            answer = await self._callbacks.post(delivery.url, "", message, body, [delivery.secret])
        except CallbackFailed:
            answer = b""
        if not echoes(answer, challenge):
            raise InstanceRefused(422, "webhook_verification_failed", "The receiver did not send the challenge back.")


def name_in(fields: Mapping[str, JSON]) -> str:
    """The name that is wanted; "" for none.

    Raises:
        BadInput: it is none.
    """
    name = fields.get("instance_name", "")
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise BadInput(f"'instance_name' is not a text of up to {MAX_NAME} characters.")
    return name.strip()
