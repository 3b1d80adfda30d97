"""A Telegram on loopback to test bots with: a Bot API server, people who write to the bot, and what goes wrong.

Written from Telegram's public documentation (https://core.telegram.org/bots/api, version 10.0), strict where Telegram
is strict, with its error texts. It serves one bot. Any Bot API client can be pointed at it; python-telegram-bot through
`base_url(server.base_url)` and `base_file_url(server.base_file_url)`.

    TelegramServer    the server; `async with` in the loop at hand, `with` on a thread of its own
    User, Chat        people and where they write: `await alice.sends(alice.dm, "hello")`
    Message, Button   what stands in a chat, after all edits: `await alice.presses(message, "Yes")`
    Fault, Hold       what goes wrong, by method, chat and count: `server.fault(Fault.flood(3), "sendMessage")`
    Limits, Limiter   Telegram's limits on sending, switched on by `TelegramServer(limits=Limits())`

As a process: `python -m tests.servers.telegram --token 1:abc --port 8081`.

What it has not: parse modes (it takes entities, which is all that the bridge sends), inline mode, payments, stories,
sticker sets, polls, chat administration; methods for these are answered as Telegram answers unknown
ones. Not as Telegram does it, because it is not documented: a 409 is
never held back, polling without a pause is not slowed down, and a webhook gets one update at a time.
"""

from __future__ import annotations

from tests.servers.telegram.accounts import Account, DirectMessages
from tests.servers.telegram.faults import Fault, Hold, Page, Rule
from tests.servers.telegram.limits import Limiter, Limits
from tests.servers.telegram.people import User
from tests.servers.telegram.places import Chat, Pressed
from tests.servers.telegram.refusals import Refusal, bad_request, conflict, forbidden
from tests.servers.telegram.samples import png
from tests.servers.telegram.server import TOKEN, SystemClock, TelegramServer
from tests.servers.telegram.texts import Entity
from tests.servers.telegram.views import Button, Message, SentFile
from tests.servers.telegram.web import Received
from tests.servers.telegram.world import CallbackAnswer, ChatAction, DraftText

__all__ = [
    "TOKEN",
    "Account",
    "Button",
    "CallbackAnswer",
    "Chat",
    "ChatAction",
    "DirectMessages",
    "DraftText",
    "Entity",
    "Fault",
    "Hold",
    "Limiter",
    "Limits",
    "Message",
    "Page",
    "Pressed",
    "Received",
    "Refusal",
    "Rule",
    "SentFile",
    "SystemClock",
    "TelegramServer",
    "User",
    "bad_request",
    "conflict",
    "forbidden",
    "png",
]
