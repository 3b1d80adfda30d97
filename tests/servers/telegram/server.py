"""The server as a program uses it: start it, put people and chats into it, make things go wrong, see what came of it.

In a test, in the test's own event loop:

    async with TelegramServer() as server:
        alice = server.user("Alice")
        app = Application.builder().token(server.token).base_url(server.base_url).build()
        ...
        await alice.sends(alice.dm, "hello")
        (reply,) = await alice.dm.bot_says()

`with TelegramServer() as server:` runs it on a thread of its own; everything can be used from any thread and any loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.ports import Clock
from tests.servers.telegram.accounts import Account, DirectMessages
from tests.servers.telegram.faults import Fault, Faults, Rule
from tests.servers.telegram.files import FileStore
from tests.servers.telegram.limits import Limiter, Limits
from tests.servers.telegram.listener import Listener
from tests.servers.telegram.people import User
from tests.servers.telegram.places import Chat
from tests.servers.telegram.state import ChatKind, Membership, UserState
from tests.servers.telegram.updates import UpdateQueue
from tests.servers.telegram.web import Received, Web
from tests.servers.telegram.webhooks import Delivery
from tests.servers.telegram.world import ChatAction, DraftText, Webhook, World, scope_key

__all__ = ["TOKEN", "SystemClock", "TelegramServer"]

T = TypeVar("T")
TOKEN = "7000000001:AAE-only-for-tests-on-loopback-00000"
"""The token of the bot, unless another one is given. It opens nothing."""
Bot = Literal["member", "administrator", "absent"]


class SystemClock:
    """A `Clock` that shows the time of this machine."""

    def now(self) -> float:
        return time.time()


class TelegramServer:
    """A Bot API server for one bot on loopback.

    Args:
        token: the token it takes; the number before the colon is the bot's id.
        username: of the bot.
        port: 0 for one that is free.
        clock: what dates, expiries and limits go by; waiting in a long poll and between webhook attempts goes by the
            real time in any case.
        talks_to_bots: the bot is in Bot-to-Bot Communication Mode.
        private_topics: private chats with the bot have topics (@BotFather).
        privacy: privacy mode, in which the bot sees only what is meant for it in groups.
        limits: Telegram's limits on sending; None: none.
        callback_expiry_s: how long after a press it can be answered. Not documented; Telegram's is about this.
        webhook_retry_s: real seconds until a refused update is posted again.
        local_folder: as a server of one's own with `--local`: files lie there, and are named by their path.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        username: str = "loopback_test_bot",
        first_name: str = "Loopback",
        port: int = 0,
        clock: Clock | None = None,
        privacy: bool = True,
        talks_to_bots: bool = False,
        private_topics: bool = False,
        limits: Limits | None = None,
        callback_expiry_s: float = 15.0,
        webhook_retry_s: float = 0.05,
        local_folder: Path | None = None,
    ) -> None:
        self.token, self.clock = token, clock or SystemClock()
        bot = UserState(
            int(token.partition(":")[0]), first_name, username=username, is_bot=True, talks_to_bots=talks_to_bots
        )
        self.world = World(
            clock=self.clock,
            bot=bot,
            queue=UpdateQueue(self.clock),
            files=FileStore(self.clock, folder=local_folder),
            reads_all=not privacy,
            callback_expiry_s=callback_expiry_s,
            private_topics=private_topics,
            started_at=self.clock.now(),
        )
        self.world.on_webhook = self.world.changes.tell
        self._faults = Faults()
        self._web = Web(token, self.world, self._faults)
        self.limit(limits)
        self._listener = self._web.listener = Listener(self._web, port)
        self._delivery = Delivery(self.world, webhook_retry_s, self._web.obey)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delivering: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()

    # Where it is.

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        """Its address; what belongs into a setting for a self-hosted Bot API server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """For python-telegram-bot's `base_url`."""
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        """For python-telegram-bot's `base_file_url`."""
        return f"{self.url}/file/bot"

    # Starting and ending.

    async def __aenter__(self) -> TelegramServer:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def __enter__(self) -> TelegramServer:
        up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(up.set)), name="telegram-server")
        self._thread.start()
        up.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    async def serve(self) -> None:
        """Serve until the task is cancelled."""
        await self._live(lambda: None)

    async def _live(self, up: Callable[[], None]) -> None:
        await self._open()
        up()
        try:
            await self._stop.wait()
        finally:
            await self._close()

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._listener.open()
        self._delivering = asyncio.create_task(self._delivery.run())

    async def _close(self) -> None:
        self._delivery.closing = True
        self.world.changes.tell()
        await self._listener.close()
        if self._delivering:
            await self._delivering

    async def _there(self, made: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop the server lives in."""
        if self._loop is None or self._loop is asyncio.get_running_loop():
            return await made
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made, self._loop))

    # People and chats.

    def user(
        self,
        first_name: str,
        *,
        username: str = "",
        last_name: str = "",
        language: str = "en",
        bot: bool = False,
        talks_to_bots: bool = False,
    ) -> User:
        """A new person; with `bot` another bot, which this one hears by the rules of bot-to-bot communication."""
        with self.world.changes.lock:
            made = self.world.new_user(first_name, last_name, username, language)
            made.is_bot, made.talks_to_bots = bot or talks_to_bots, talks_to_bots
            return User(self.world, made)

    def group(self, title: str, members: Sequence[User] = (), *, bot: Bot = "member") -> Chat:
        """A basic group. The first member is its creator."""
        return self._chat("group", title, members, bot)

    def supergroup(
        self, title: str, members: Sequence[User] = (), *, bot: Bot = "member", forum: bool = False, username: str = ""
    ) -> Chat:
        """A supergroup; with `forum` one that has topics."""
        return self._chat("supergroup", title, members, bot, username, forum)

    def channel(self, title: str, *, bot: Bot = "administrator", username: str = "") -> Chat:
        """A channel."""
        return self._chat("channel", title, (), bot, username)

    def account(self, owner: User, *, can_reply: bool = True) -> Account:
        """Somebody connects the bot to their account."""
        return Account(self.world, owner, can_reply=can_reply)

    def direct_messages(self, channel: Chat, *, bot: Bot = "administrator") -> DirectMessages:
        """The chat of what people write to a channel."""
        with self.world.changes.lock:
            state = self.world.new_chat("supergroup", channel.title)
            state.parent = channel.state
            if bot != "absent":
                state.members[self.world.bot.id] = bot
            return DirectMessages(self.world, state)

    def _chat(
        self, kind: ChatKind, title: str, members: Sequence[User], bot: Bot, username: str = "", forum: bool = False
    ) -> Chat:
        with self.world.changes.lock:
            state = self.world.new_chat(kind, title, username, forum)
            for index, member in enumerate(members):
                rank: Membership = "member" if index else "creator"
                state.members[member.id] = rank
            if bot != "absent":
                state.members[self.world.bot.id] = bot
            return Chat(self.world, state)

    # What the bot did.

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in the order they came in."""
        with self.world.changes.lock:
            return list(self._web.requests)

    def calls(self, method: str) -> list[Received]:
        """The requests to one method."""
        return [one for one in self.requests if one.method.lower() == method.lower()]

    def commands(self, scope: object = None, language: str = "") -> list[tuple[str, str]]:
        """The commands registered for a scope (a BotCommandScope; None: the default one), with descriptions."""
        with self.world.changes.lock:
            found = self.world.commands.get((scope_key(scope), language), [])
            return [(one["command"], one["description"]) for one in found]

    @property
    def actions(self) -> list[ChatAction]:
        """Every chat action so far."""
        with self.world.changes.lock:
            return list(self.world.actions)

    @property
    def drafts(self) -> list[DraftText]:
        """Every `sendMessageDraft` so far."""
        with self.world.changes.lock:
            return list(self.world.drafts)

    @property
    def pending(self) -> int:
        """How many updates wait for the bot."""
        with self.world.changes.lock:
            return len(self.world.queue)

    @property
    def polling(self) -> bool:
        """Whether a `getUpdates` waits right now."""
        with self.world.changes.lock:
            return self.world.poll is not None

    @property
    def webhook(self) -> Webhook:
        """Where updates are posted, and what went wrong last."""
        return self.world.webhook

    async def until(self, holds: Callable[[], bool], what: str = "what was waited for", timeout_s: float = 5.0) -> None:
        """Wait until something holds; looked at after every change here. Raises BridgeError when it never does."""
        if not await self.world.changes.until(holds, timeout_s):
            heard = ", ".join(f"{one.method} {one.status}" for one in self.requests[-8:]) or "none"
            raise BridgeError(f"{what} did not happen within {timeout_s} s.", fix=f"Last requests: {heard}.")

    # What goes wrong.

    def fault(
        self, fault: Fault, method: str = "*", *, chat: Chat | None = None, times: int | None = 1, skip: int = 0
    ) -> Rule:
        """Script a fault; see `Faults.add`. The method `file` is the download of files."""
        with self.world.changes.lock:
            return self._faults.add(fault, method, chat=chat.id if chat else None, times=times, skip=skip)

    def limit(self, limits: Limits | None) -> None:
        """Switch the limits on sending on, or off; what was sent before does not count."""
        with self.world.changes.lock:
            self._web.limiter = Limiter(self.clock, limits) if limits else None

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """Nobody listens: open connections break and new ones are refused, until this ends."""
        await self._there(self._listener.shut())
        try:
            yield
        finally:
            await self._there(self._listener.open())

    async def drop_connections(self) -> None:
        """Break every open connection once."""
        await self._there(self._listener.drop_all())
