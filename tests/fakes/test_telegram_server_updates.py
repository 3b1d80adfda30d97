"""Receiving updates: https://core.telegram.org/bots/api#getting-updates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
import uvicorn
from telegram import Bot, Message, Update
from telegram.error import Conflict
from telegram.ext import MessageHandler, filters

from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import application, bot_on, received, refused
from tests.servers.telegram import Fault, Hold, TelegramServer, User

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock) -> AsyncGenerator[TelegramServer]:
    async with TelegramServer(clock=clock) as made:
        yield made


@pytest.fixture
def alice(server: TelegramServer) -> User:
    return server.user("Alice", username="alice")


def texts(updates: tuple[Update, ...]) -> list[str]:
    return [update.message.text for update in updates if update.message and update.message.text]


async def test_updates_come_again_until_a_higher_offset_confirms_them(bot: Bot, alice: User) -> None:
    for word in ("one", "two", "three"):
        await alice.sends(alice.dm, word)
    first = await bot.get_updates()
    assert texts(first) == ["one", "two", "three"]
    ids = [update.update_id for update in first]
    assert ids == list(range(ids[0], ids[0] + 3))
    assert await bot.get_updates() == first
    assert texts(await bot.get_updates(offset=ids[1])) == ["two", "three"]
    assert texts(await bot.get_updates()) == ["two", "three"], "the first one is confirmed"
    assert await bot.get_updates(offset=ids[2] + 1) == ()


async def test_limit_and_negative_offset(bot: Bot, alice: User) -> None:
    """ "All previous updates will be forgotten" with a negative offset."""
    for word in ("one", "two", "three"):
        await alice.sends(alice.dm, word)
    assert texts(await bot.get_updates(limit=2)) == ["one", "two"]
    assert texts(await bot.get_updates(offset=-1)) == ["three"]
    assert texts(await bot.get_updates()) == ["three"]


async def test_a_long_poll_waits_for_what_comes(server: TelegramServer, bot: Bot, alice: User) -> None:
    async with anyio.create_task_group() as tasks:

        async def send_late() -> None:
            await server.until(lambda: server.polling, "the poll")
            await alice.sends(alice.dm, "late")

        tasks.start_soon(send_late)
        assert texts(await bot.get_updates(timeout=10)) == ["late"]
    assert await bot.get_updates(offset=2**31 - 1, timeout=0) != (), "an offset of another time is taken for none"


async def test_an_offset_just_ahead_confirms_and_waits(bot: Bot, alice: User) -> None:
    await alice.sends(alice.dm, "one")
    (update,) = await bot.get_updates()
    assert await bot.get_updates(offset=update.update_id + 1, timeout=0) == ()


async def test_a_second_poller_ends_the_first_one(server: TelegramServer, bot: Bot) -> None:
    """The older request gets 409, and the newer one the updates."""
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: server.polling, "the first poll")
    async with bot_on(server) as other:
        second = asyncio.create_task(other.get_updates(timeout=20))
        with pytest.raises(Conflict) as problem:
            await first
        assert problem.value.message == (
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
        )
        bob = server.user("Bob")
        await bob.sends(bob.dm, "hello")
        assert texts(await second) == ["hello"]


async def test_a_poller_that_hung_up_is_in_nobody_s_way(server: TelegramServer, bot: Bot, alice: User) -> None:
    async with bot_on(server) as gone:
        poll = asyncio.create_task(gone.get_updates(timeout=20))
        await server.until(lambda: server.polling, "the poll")
        poll.cancel()
    await server.until(lambda: not server.polling, "the end of the poll")
    await alice.sends(alice.dm, "hello")
    assert texts(await bot.get_updates(timeout=5)) == ["hello"]


async def test_allowed_updates_are_remembered_and_an_empty_list_is_the_default(bot: Bot, alice: User) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    await alice.sends(alice.dm, "unwanted")
    assert await bot.get_updates() == ()
    await bot.get_updates(allowed_updates=[])
    message = await alice.sends(alice.dm, "wanted")
    await alice.reacts(message, "👍")
    (update,) = await received(bot)
    assert update.message
    assert update.message.text == "wanted"
    await bot.get_updates(allowed_updates=["message_reaction"])
    await alice.reacts(message, "❤")
    (update,) = await received(bot)
    assert update.message_reaction
    assert update.message_reaction.old_reaction[0].to_dict()["emoji"] == "👍"


async def test_updates_are_kept_for_a_day(bot: Bot, alice: User, clock: ManualClock) -> None:
    await alice.sends(alice.dm, "old")
    clock.advance(86_000)
    await alice.sends(alice.dm, "new")
    clock.advance(500)
    assert texts(await bot.get_updates()) == ["new"]


async def test_after_a_week_of_silence_the_next_id_is_a_random_one(bot: Bot, alice: User, clock: ManualClock) -> None:
    """https://core.telegram.org/bots/api#update."""
    await alice.sends(alice.dm, "before")
    (before,) = await received(bot)
    clock.advance(8 * 86_400)
    await alice.sends(alice.dm, "after")
    (after,) = await bot.get_updates(offset=before.update_id + 1)
    assert after.update_id != before.update_id + 1


class Hook:
    """A webhook on loopback: answers with these statuses, then 200; `body` is what it says."""

    def __init__(self, *statuses: int, body: bytes = b"") -> None:
        self.statuses, self.body = list(statuses), body
        self.posts: list[tuple[str, dict[str, Any]]] = []
        config = uvicorn.Config(self, port=0, lifespan="off", log_config=None, access_log=False)
        self.server = uvicorn.Server(config)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        secret = dict(scope["headers"]).get(b"x-telegram-bot-api-secret-token", b"").decode()
        self.posts.append((secret, json.loads(body)))
        status = self.statuses.pop(0) if self.statuses else 200
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": self.body})

    async def __aenter__(self) -> str:
        self.server.config.load()
        self.server.lifespan = self.server.config.lifespan_class(self.server.config)
        await self.server.startup()
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/hook"

    async def __aexit__(self, *_: object) -> None:
        self.server.force_exit = True
        await self.server.shutdown()


async def test_a_webhook_gets_each_update_until_it_takes_it(server: TelegramServer, bot: Bot, alice: User) -> None:
    """With its secret in a header; what was refused comes again, and `getWebhookInfo` tells of it."""
    hook = Hook(500, 200)
    await alice.sends(alice.dm, "one")
    async with hook as url:
        assert await bot.set_webhook(url, secret_token="s3cret")
        await server.until(lambda: server.pending == 0, "the delivery")
        assert [secret for secret, _ in hook.posts] == ["s3cret", "s3cret"]
        assert hook.posts[0][1] == hook.posts[1][1]
        assert hook.posts[0][1]["message"]["text"] == "one"
        info = await bot.get_webhook_info()
        assert (info.url, info.pending_update_count) == (url, 0)
        assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"


async def test_with_a_webhook_nobody_polls_and_the_other_way_round(server: TelegramServer, bot: Bot) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: server.polling, "the poll")
    async with bot_on(server) as other, Hook() as url:
        await other.set_webhook(url)
        with pytest.raises(Conflict, match="terminated by setWebhook request"):
            await poll
        with pytest.raises(Conflict) as problem:
            await other.get_updates()
        assert problem.value.message == (
            "Conflict: can't use getUpdates method while webhook is active; "
            "use deleteWebhook to delete the webhook first"
        )
        await other.delete_webhook()
        assert await other.get_updates() == ()


async def test_pending_updates_can_be_dropped(bot: Bot, alice: User) -> None:
    await alice.sends(alice.dm, "old")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        ("ftp://x.y", "", "Bad Request: invalid webhook URL specified"),
        ("http://bot.test/hook", "", "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"),
        (
            "https://bot.test:9/",
            "",
            "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        ("https://bot.test/", "not allowed!", "Bad Request: secret token contains unallowed characters"),
        ("https://bot.test/", "x" * 257, "Bad Request: secret token is too long"),
    ],
)
async def test_what_no_webhook_may_be(server: TelegramServer, bot: Bot, url: str, secret: str, problem: str) -> None:
    with refused(server, problem):
        await bot.set_webhook(url, secret_token=secret or None)


async def test_a_webhook_may_ask_for_a_method_in_its_answer(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#making-requests-when-getting-updates."""
    asked = {"method": "sendMessage", "chat_id": alice.id, "text": "from the webhook"}
    async with Hook(body=json.dumps(asked).encode()) as url:
        await bot.set_webhook(url)
        await alice.sends(alice.dm, "hello")
        (reply,) = await alice.dm.bot_says()
        assert reply.text == "from the webhook"


async def test_an_application_with_a_webhook_answers_people(server: TelegramServer, alice: User) -> None:
    async def repeat(update: Update, context: Any) -> None:
        assert isinstance(update.message, Message)
        await update.message.reply_text(f"You said: {update.message.text}")

    async with application(server) as app, Hook() as _:
        app.add_handler(MessageHandler(filters.TEXT, repeat))
        await app.start()

        class Feed(Hook):
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await super().__call__(scope, receive, send)
                await app.update_queue.put(Update.de_json(self.posts[-1][1], app.bot))

        async with Feed() as url:
            await app.bot.set_webhook(url)
            await alice.sends(alice.dm, "hello")
            (reply,) = await alice.dm.bot_says()
            assert reply.text == "You said: hello"
            await app.bot.delete_webhook()
        await app.stop()


async def test_an_update_whose_answer_was_lost_comes_again(server: TelegramServer, bot: Bot, alice: User) -> None:
    """Nothing is confirmed by being sent."""
    hold = Hold()
    server.fault(Fault.held(after=hold), "getUpdates")
    await alice.sends(alice.dm, "hello")
    poll = asyncio.create_task(bot.get_updates(timeout=5))
    await hold.reached()
    await server.drop_connections()
    with pytest.raises(Exception, match=r"ReadError|RemoteProtocolError"):
        await poll
    hold.release()
    assert texts(await bot.get_updates()) == ["hello"]
