"""How the bot receives updates: one long poll at a time, or a webhook, never both.

https://core.telegram.org/bots/api#getting-updates. Knows the state and the parameters of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from tests.servers.telegram.call import Call
from tests.servers.telegram.refusals import OTHER_POLLER, WEBHOOK_ACTIVE, WEBHOOK_CAME, bad_request, conflict
from tests.servers.telegram.texts import Object
from tests.servers.telegram.updates import KINDS, ON_REQUEST
from tests.servers.telegram.world import Poll, Webhook, World

__all__ = ["delete_webhook", "get_updates", "set_webhook", "webhook_info"]

MAX_TIMEOUT_S = 50
PORTS = (None, 443, 80, 88, 8443)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECRET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


async def get_updates(world: World, call: Call, gone: Callable[[], bool]) -> list[Object]:
    """`getUpdates`: what waits, or what comes within the timeout. `gone`: whether the asker has hung up.

    A second request ends the first one with 409. Raises `Refusal`.
    """
    offset, limit = call.integer("offset"), call.integer("limit", 100, 1, 100)
    timeout = call.integer("timeout", 0, 0, MAX_TIMEOUT_S)
    poll = Poll()
    with world.changes.lock:
        if world.webhook.url:
            raise conflict(WEBHOOK_ACTIVE)
        if world.poll:
            world.poll.ended = OTHER_POLLER
        world.poll = poll
        world.queue.allow(call.text("allowed_updates"))
        world.queue.take(offset, limit)
        world.changes.tell()
    from_now = max(0, offset)
    try:
        await world.changes.until(lambda: bool(poll.ended or gone() or len(world.queue)), timeout)
        with world.changes.lock:
            if poll.ended:
                raise conflict(poll.ended)
            return world.queue.take(from_now, limit)
    finally:
        with world.changes.lock:
            if world.poll is poll:
                world.poll = None


def set_webhook(world: World, call: Call) -> tuple[bool, str]:
    """`setWebhook`. An address on loopback may be plain HTTP on any port, as for a Bot API server of one's own."""
    url, secret = call.text("url"), call.text("secret_token")
    if not url:
        return delete_webhook(world, call)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("invalid webhook URL specified")
    if parts.hostname not in LOOPBACK:
        if parts.scheme != "https":
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in PORTS:
            raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if len(secret) > 256:
        raise bad_request("secret token is too long")
    if not SECRET.issuperset(secret):
        raise bad_request("secret token contains unallowed characters")
    same = (world.webhook.url, world.webhook.secret) == (url, secret) and not call.flag("drop_pending_updates")
    world.queue.allow(call.text("allowed_updates"))
    if same:
        return True, "Webhook is already set"
    replace_webhook(world, call)
    world.webhook.url, world.webhook.secret = url, secret
    world.webhook.max_connections = call.integer("max_connections", 40, 1, 100)
    world.webhook.ip = call.text("ip_address")
    if world.poll:
        world.poll.ended = WEBHOOK_CAME
    world.on_webhook()
    return True, "Webhook was set"


def delete_webhook(world: World, call: Call) -> tuple[bool, str]:
    """`deleteWebhook`."""
    was = world.webhook.url
    replace_webhook(world, call)
    world.on_webhook()
    return True, "Webhook was deleted" if was else "Webhook is already deleted"


def replace_webhook(world: World, call: Call) -> None:
    world.webhook = Webhook(generation=world.webhook.generation + 1)
    if call.flag("drop_pending_updates"):
        world.queue.clear()


def webhook_info(world: World, call: Call) -> Object:
    """`getWebhookInfo`."""
    hook = world.webhook
    found: Object = {"url": hook.url, "has_custom_certificate": False, "pending_update_count": len(world.queue)}
    if hook.url:
        found |= {"max_connections": hook.max_connections, "ip_address": hook.ip or "127.0.0.1"}
    if hook.last_error:
        found |= {"last_error_date": int(hook.last_error_at), "last_error_message": hook.last_error}
    if world.queue.allowed is not None and world.queue.allowed != KINDS - ON_REQUEST:
        found["allowed_updates"] = sorted(world.queue.allowed)
    return found
