"""A Discord on loopback to test bots with: REST API v10, gateway, people, and what goes wrong.

Written from Discord's public documentation (https://docs.discord.com/developers), strict where Discord is strict, with
its error codes. It serves one bot. discord.py is pointed at it by `Route.BASE = server.api_url` and
`DiscordWebSocket.DEFAULT_GATEWAY = URL(server.gateway.url)`.

    DiscordServer    the server; `async with` in the loop at hand
    User, Chat       people and where they write: `await ann.sends(ann.dm, "hello")`
    Stored           what stands in a chat, after all edits: `await ann.presses(message, "Yes")`
    Fault            what goes wrong, by method, path and count

Bot messages can be cut, lost after they were made, answered late or with nonsense; the gateway can break, ask to
reconnect, forget its sessions, refuse intents and tokens, and stop acknowledging heartbeats.

What it has not: voice, roles beside permissions denied to the bot, webhooks beside answers to interactions, emoji of
guilds, stickers, polls, forums, autocompletion, more than one shard. Not as Discord does it, because it is not
documented: the figures of its limits, and how long a nonce is known again.
"""

from __future__ import annotations

from tests.servers.discord.faults import Fault
from tests.servers.discord.interactions import Interaction
from tests.servers.discord.people import Chat, Pressed, User, buttons
from tests.servers.discord.server import TOKEN, DiscordServer
from tests.servers.discord.web import Received
from tests.servers.discord.world import Guild, Stored, StoredFile

__all__ = [
    "TOKEN",
    "Chat",
    "DiscordServer",
    "Fault",
    "Guild",
    "Interaction",
    "Pressed",
    "Received",
    "Stored",
    "StoredFile",
    "User",
    "buttons",
]
