"""A Slack on loopback to test apps with: a Web API, Socket Mode, posted events, people, and what goes wrong.

Written from Slack's public documentation (https://docs.slack.dev), strict where Slack is strict, with its error words.
It serves one app in one workspace; slack-sdk and slack-bolt run on it as they are, by `base_url=server.url`.

    SlackServer     the server: `async with SlackServer() as server`
    Person, Channel who writes where: `await ann.says(ann.dm, "hello")`, `presses`, `submits`, `commands`
    Fault           what goes wrong with a request: `server.fail("chat.postMessage", Fault(retry_after=2))`
    deliveries      connections and events: `await server.deliveries.disconnect()`, `drop()`, `posts_to`

What it has not: canvases, workflows, lists, search, enterprise grids, scheduled messages, other bots' tokens.
"""

from __future__ import annotations

from tests.servers.slack.deliveries import signed
from tests.servers.slack.people import MENTION, Channel, Person
from tests.servers.slack.server import APP_TOKEN, BOT_TOKEN, SECRET, Fault, SlackServer
from tests.servers.slack.state import BOT, BOT_TEAM, Message, StoredFile

__all__ = [
    "APP_TOKEN",
    "BOT",
    "BOT_TEAM",
    "BOT_TOKEN",
    "MENTION",
    "SECRET",
    "Channel",
    "Fault",
    "Message",
    "Person",
    "SlackServer",
    "StoredFile",
    "signed",
]
