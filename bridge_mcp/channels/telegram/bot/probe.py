"""What `bridge-mcp check` asks Telegram about a bot, without touching a bridge that runs: never a poll."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import httpx
from telegram import User, WebhookInfo
from telegram.error import InvalidToken, TelegramError

from bridge_mcp.channels.plug import Found
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import fitting
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings, site_of
from bridge_mcp.channels.telegram.receive.errors import explained, refused
from bridge_mcp.channels.telegram.receive.session import PRIVACY
from bridge_mcp.ports import Clock

__all__ = ["probe"]

SKEW_S = 60.0
"""How far two clocks may be apart: delays and expiry are shown in minutes."""


async def probe(settings: TelegramSettings, clock: Clock) -> AsyncIterator[Found]:
    """All checks of the bot, in order; ends early if the bot cannot be reached."""
    connections = BotConnections(settings)
    async with connections.open():
        try:
            me = await fitting(connections.bot.get_me())
            info = await fitting(connections.bot.get_webhook_info())
        except InvalidToken:
            yield Found(False, str(refused(settings.name, settings.own_server)))
            return
        except TelegramError as exc:
            yield Found(False, explained(exc, settings.base_url, connections.clean))
            return
        yield Found(True, f"@{me.username}, {info.pending_update_count} updates wait")
        for result in (
            privacy(settings, me),
            accounts(settings, me),
            webhook(settings, info, connections),
            await skew(connections, clock),
        ):
            if result is not None:
                yield result


def privacy(settings: TelegramSettings, me: User) -> Found | None:
    """Whether Telegram's privacy mode fits the settings for groups."""
    if not me.can_join_groups:
        return Found(True, "Nobody can add it to groups (@BotFather, /setjoingroups)")
    if me.can_read_all_group_messages:
        return Found(True, "It gets every message of its groups (privacy mode is off)")
    if settings.hears_all:
        return Found(False, PRIVACY)
    return Found(True, "In groups it gets commands, mentions and replies (privacy mode is on)")


def accounts(settings: TelegramSettings, me: User) -> Found | None:
    """Whether people can connect the bot to their account, where the settings want that."""
    if not settings.business:
        return None
    if me.can_connect_to_business:
        return Found(True, "People can connect it to their account")
    return Found(False, "business = true, and nobody can connect it to an account: turn that on with @BotFather")


def webhook(settings: TelegramSettings, info: WebhookInfo, connections: BotConnections) -> Found | None:
    """Whether updates arrive by polling or by a webhook, as the settings say."""
    own_url = settings.webhook.url if settings.webhook else ""
    if info.url and info.url != own_url:
        return Found(
            False,
            f"A webhook at {site_of(info.url)} is set, which is not this channel's. Another program may use this bot: "
            "give one of the two a bot of its own (@BotFather, /newbot). If it is a leftover, start the bridge: it "
            f"{'puts its own there' if own_url else 'removes it, and polls'}.",
        )
    if not own_url:
        return None
    if info.url and info.last_error_message and info.pending_update_count:
        return Found(
            False,
            f"Telegram cannot post to the webhook: {connections.clean(info.last_error_message)}. Mind its certificate, "
            "its forwarding and its firewall.",
        )
    return Found(True, f"webhook at {site_of(own_url)}" + ("" if info.url else ", set when the bridge starts"))


async def skew(connections: BotConnections, clock: Clock) -> Found | None:
    """Whether this machine's clock agrees with the server's (its Date header)."""
    try:
        async with httpx.AsyncClient(verify=connections.certificates, timeout=10) as client:
            answer = await client.head(connections.settings.base_url)
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    apart = clock.now() - theirs
    if abs(apart) <= SKEW_S:
        return None
    return Found(
        False,
        f"This machine's clock is {abs(apart):,.0f} s {'ahead of' if apart > 0 else 'behind'} the server's: messages "
        "are marked late, and approvals expire, at the wrong time. Set it, or switch on NTP.",
    )
