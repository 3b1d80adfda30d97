"""The server as a program uses it: start it, put people and channels into it, make things go wrong, see what came."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from aiohttp import web

from tests.servers.discord import views
from tests.servers.discord.faults import Fault
from tests.servers.discord.gateway import GUILDS, Gateway
from tests.servers.discord.interactions import Interactions
from tests.servers.discord.messages import Messages
from tests.servers.discord.people import Chat, User
from tests.servers.discord.web import Received, Web
from tests.servers.discord.world import FORUM, TEXT, THREAD, Guild, Person, Place, World

__all__ = ["TOKEN", "DiscordServer"]

BOT, APPLICATION = 800_000_000_000_000_001, 800_000_000_000_000_002
TOKEN = "ODAwMDAwMDAwMDAwMDAwMDAx.Gloopb.only-for-tests-on-loopback-0000000000000"
"""The token of the bot. It opens nothing."""


class DiscordServer:
    """Discord for one bot on loopback; `async with` in the loop at hand.

    Args:
        port: 0 for one that is free.
        limits: whether requests are limited as Discord does.
    """

    def __init__(self, token: str = TOKEN, *, name: str = "Loopback", port: int = 0, limits: bool = True) -> None:
        self.token = token
        self.world = World(Person(BOT, name, bot=True), APPLICATION)
        self.gateway = Gateway(self.world, token)
        self.messages = Messages(self.world)
        self.interactions = Interactions(self.world, self.messages)
        self.web = Web(self.world, self.gateway, self.messages, self.interactions)
        self.world.emit = self.gateway.emit
        if not limits:
            self.web.limits.off()
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> DiscordServer:
        self._runner = web.AppRunner(self.web.app(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.messages.base = self.url
        self.gateway.url = f"ws://127.0.0.1:{self._port}/gateway/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.gateway.cut()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """What stands in the place of `https://discord.com/api/v10`."""
        return f"{self.url}/api/v10"

    # People and places.

    def user(self, name: str) -> User:
        """A new person."""
        state = Person(self.world.snowflake(), name)
        self.world.people[state.id] = state
        return User(self.world, self.messages, self.interactions, state)

    def bot_user(self, name: str) -> User:
        """Another bot."""
        user = self.user(name)
        user.state.bot = True
        return user

    def guild(self, name: str = "Home") -> Guild:
        """A guild that the bot is in."""
        made = Guild(self.world.snowflake(), name)
        self.world.guilds[made.id] = made
        self.world.emit("GUILD_CREATE", views.guild(self.world, made), GUILDS)
        return made

    def channel(self, guild: Guild, name: str = "general") -> Chat:
        """A text channel."""
        place = self.world.add(Place(self.world.snowflake(), TEXT, name, guild))
        self.world.emit("CHANNEL_CREATE", views.channel(self.world, place), GUILDS)
        return Chat(self.world, place)

    def forum(self, guild: Guild, name: str = "questions") -> Chat:
        """A forum: only its posts, which are threads, have messages."""
        place = self.world.add(Place(self.world.snowflake(), FORUM, name, guild))
        self.world.emit("CHANNEL_CREATE", views.channel(self.world, place), GUILDS)
        return Chat(self.world, place)

    def thread(self, chat: Chat, name: str) -> Chat:
        """A thread of a channel."""
        place = self.world.add(Place(self.world.snowflake(), THREAD, name, chat.place.guild, parent=chat.place))
        self.world.emit("THREAD_CREATE", views.channel(self.world, place) | {"newly_created": True}, GUILDS)
        return Chat(self.world, place)

    def renames(self, chat: Chat, name: str) -> None:
        """Somebody gives a thread another name."""
        chat.place.name = name
        self.world.emit("THREAD_UPDATE", views.channel(self.world, chat.place), GUILDS)

    @property
    def mention(self) -> str:
        """What stands in a text where the bot is mentioned."""
        return f"<@{self.world.bot.id}>"

    # Trouble, and what came of it.

    def fault(self, fault: Fault) -> Fault:
        """Let something go wrong."""
        return self.web.faults.add(fault)

    @property
    def requests(self) -> list[Received]:
        return self.web.received

    def calls(self, method: str, part: str = "") -> list[Received]:
        """Requests by method and by a part of their path."""
        return [each for each in self.requests if each.method == method and part in each.path]

    async def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until something holds on the server."""
        await self.world.changes.until(holds, timeout_s)

    async def connected(self, timeout_s: float = 10.0) -> None:
        """Wait until the bot has a session."""
        await self.until(lambda: self.gateway.connected, timeout_s)
