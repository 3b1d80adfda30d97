"""Slack as a type of channel: the keys of its sections, and their reading. Loads nothing of slack-sdk."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.util import find_spec

from pydantic import Field

from bridge_mcp.channels.plug import ChannelType, Found, Given, KeyReader, PlatformKeys, Text, listen_address
from bridge_mcp.channels.slack.channel import SlackChannel
from bridge_mcp.channels.slack.manifest import steps
from bridge_mcp.channels.slack.settings import Posts, SlackSettings
from bridge_mcp.ports import Clock

__all__ = ["TYPE", "SlackKeys"]

CHAT = re.compile(r"([CGD][A-Z0-9]{2,}|[TE][A-Z0-9]{2,}\.[UW][A-Z0-9]{2,})(/[0-9]{1,20}\.[0-9]{1,10})?")
USER = r"[TE][A-Z0-9]{2,}\.[UW][A-Z0-9]{2,}"


class SlackKeys(PlatformKeys):
    """[channels.NAME] of type "slack": a Slack app; `bridge-mcp init slack` prints its manifest."""

    bot_token_env: Text | None = None
    """The variable that holds the bot's token (xoxb-…)."""
    bot_token_file: Text | None = None
    """The file that holds the bot's token."""
    app_token_env: Text | None = None
    """The variable that holds the app's token for Socket Mode (xapp-…), which needs no open port."""
    app_token_file: Text | None = None
    """The file that holds the app's token."""
    signing_secret_env: Text | None = None
    """In the place of Socket Mode: the variable with the secret by which posts of events are known to be Slack's."""
    signing_secret_file: Text | None = None
    """The file that holds that secret."""
    listen: Text | None = None
    """HOST:PORT where the bridge takes those posts, behind the app's request URLs."""
    api_base_url: Text | None = None
    """Another Web API; without it: Slack's."""
    threads: bool = True
    """Whether a mention in a channel begins a thread, which is a conversation of its own."""
    stream: bool = False
    """Whether replies in threads are shown as they grow; the app needs Slack's features for agents."""
    reactions: bool = False
    """Whether reactions become events."""
    first_h: float = Field(default=0.0, ge=0, le=720)
    """Hours before the very first connection from which messages are read and answered; later gaps are read anyway."""


def check(section: SlackKeys, keys: KeyReader) -> SlackSettings:
    """One app's settings."""
    if find_spec("slack_sdk") is None or find_spec("aiohttp") is None:
        keys.problem("", "slack-sdk is not installed.", 'Install it: pip install "mcp-chat-bridge[slack]"')
    keys.web_address("api_base_url", section.api_base_url)
    for chat in section.chats:
        if not CHAT.fullmatch(chat):
            keys.problem(f'chats."{chat}"', "this is not a chat's id.", "Write it as /whoami says it, like C0123ABCD.")
    bot = keys.secret("bot_token")
    if not (section.bot_token_env or section.bot_token_file):
        keys.problem("", "a slack channel needs a bot token.", 'Add bot_token_env = "SLACK_BOT_TOKEN" and set that.')
    elif bot and not bot.startswith("xoxb-"):
        keys.problem("bot_token", "this is not a bot's token.", "Copy the one that begins with xoxb-.")
    elif bot and (holder := keys.holder(bot)):
        keys.problem("bot_token", f"{holder} has the same token.", "Give each channel an app of its own.")
    app, posts = app_token(section, keys), posts_of(section, keys)
    return SlackSettings(
        name=keys.name,
        bot_token=bot,
        app_token=app,
        posts=posts,
        api_base_url=section.api_base_url or "",
        threads=section.threads,
        stream=section.stream,
        reactions=section.reactions,
        first_s=section.first_h * 3600,
        lacking=keys.lacking(),
    )


def app_token(section: SlackKeys, keys: KeyReader) -> str:
    """The token of Socket Mode; "" where events are posted."""
    value, configured = keys.secret("app_token"), section.app_token_env or section.app_token_file
    if configured and section.listen:
        keys.problem("app_token_env", "listen is there too.", "Take Socket Mode (app_token_env) or posts (listen).")
    elif not configured and not section.listen:
        fix = 'Add app_token_env = "SLACK_APP_TOKEN" for Socket Mode, or listen and signing_secret_env for posts.'
        keys.problem("", "it has no way for events to come in.", fix)
    elif value and not value.startswith("xapp-"):
        fix = "Copy the one that begins with xapp- (Basic Information, App-Level Tokens)."
        keys.problem("app_token", "this is not an app's token.", fix)
    return value


def posts_of(section: SlackKeys, keys: KeyReader) -> Posts | None:
    """Where posts are taken; None for Socket Mode."""
    secret, configured = keys.secret("signing_secret"), section.signing_secret_env or section.signing_secret_file
    if not section.listen:
        if configured:
            keys.problem("signing_secret_env", "no posts are taken.", 'Add listen = "127.0.0.1:3000".')
        return None
    if not configured:
        keys.problem("listen", "signing_secret_env is missing.", "Name the variable with the app's signing secret.")
    address = listen_address(keys, "listen", section.listen, like="127.0.0.1:3000")
    return Posts(*address, secret) if address else None


def make(settings: SlackSettings, given: Given) -> SlackChannel:
    """The channel of one app."""
    return SlackChannel(settings, given.clock)


def probe(settings: SlackSettings, clock: Clock) -> AsyncIterator[Found]:
    """What Slack says of the app, by the module that needs the library."""
    from bridge_mcp.channels.slack.probe import probe as probed

    return probed(settings)


TEMPLATE = """\
# [channels.work]                          # bridge-mcp init slack prints the app's manifest, to paste at Slack
# type = "slack"
# bot_token_env = "SLACK_BOT_TOKEN"
# app_token_env = "SLACK_APP_TOKEN"        # Socket Mode: no open port
# listen = "127.0.0.1:3000"                # or posts, in its place, with
# signing_secret_env = "SLACK_SIGNING_SECRET"
# threads = true                           # a mention in a channel begins a thread, a conversation of its own
# stream = true                            # show replies in threads as they grow, where the app may
# reactions = true                         # events of people who react
# first_h = 12                             # hours before the very first start from which messages are read, too
"""

TYPE = ChannelType(SlackKeys, check, make, probe=probe, template=TEMPLATE, setup=steps, user_id=USER)
"""People are (team, user): `T0123.U0456`."""
