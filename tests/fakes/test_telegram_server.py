"""The server as a whole: where it runs, whom it serves, and a bot on it by polling and by webhook."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.error import InvalidToken
from telegram.ext import CallbackQueryHandler, MessageHandler, filters

from tests.fakes.telegram_bots import AnyApplication, application, bot_on
from tests.servers.telegram import TOKEN, TelegramServer

pytestmark = pytest.mark.anyio

YES = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="y")]])


def answering(server: TelegramServer) -> AnyApplication:
    """A bot that repeats, with a button that ends it."""

    async def repeat(update: Update, context: Any) -> None:
        assert isinstance(update.message, Message)
        await update.message.reply_text(f"You said: {update.message.text}", reply_markup=YES)

    async def end(update: Update, context: Any) -> None:
        assert update.callback_query is not None
        await update.callback_query.answer("Thank you")
        await update.callback_query.edit_message_text("Done.")

    app = application(server)
    app.add_handler(MessageHandler(filters.TEXT, repeat))
    app.add_handler(CallbackQueryHandler(end))
    return app


async def talk(server: TelegramServer) -> None:
    alice = server.user("Alice")
    await alice.sends(alice.dm, "hello")
    (reply,) = await alice.dm.bot_says()
    assert (reply.text, reply.labels) == ("You said: hello", ["Yes"])
    press = await alice.presses(reply, "Yes")
    assert (await press.answered()).text == "Thank you"
    await server.until(lambda: alice.dm.message(reply.message_id).text == "Done.", "the edit")
    assert alice.dm.message(reply.message_id).buttons == ()


async def test_an_application_that_polls_answers_people() -> None:
    async with TelegramServer() as server, answering(server) as app:
        assert app.updater is not None
        await app.start()
        await app.updater.start_polling()
        await talk(server)
        await app.updater.stop()
        await app.stop()


async def test_it_runs_on_a_thread_of_its_own_and_is_used_from_any_loop() -> None:
    with TelegramServer() as server:
        async with answering(server) as app:
            assert app.updater is not None
            await app.start()
            await app.updater.start_polling()
            await talk(server)
            await app.updater.stop()
            await app.stop()


async def test_it_knows_its_bot_and_no_other() -> None:
    """https://core.telegram.org/bots/api#authorizing-your-bot: 401 for another bot's token, 404 for what is none."""
    async with TelegramServer("123:abc", username="my_bot") as server:
        async with bot_on(server) as bot:
            assert (bot.bot.id, bot.bot.username, bot.bot.is_bot) == (123, "my_bot", True)
            assert bot.bot.can_read_all_group_messages is False
        for token, text in (("999:abc", "Unauthorized"), ("nonsense", "Not Found")):
            async with httpx.AsyncClient() as client:
                answer = await client.post(f"{server.base_url}{token}/getMe")
            assert (answer.status_code, answer.json()["description"]) == ({"9": 401, "n": 404}[token[0]], text)
            with pytest.raises(InvalidToken):
                async with bot_on(server, token):
                    pass


async def test_a_method_it_does_not_know_is_not_found() -> None:
    async with TelegramServer() as server, httpx.AsyncClient() as client:
        answer = await client.post(f"{server.base_url}{server.token}/sendNothing")
        assert answer.status_code == 404
        assert answer.json() == {"ok": False, "error_code": 404, "description": "Not Found: method not found"}


@pytest.mark.parametrize("how", ["query", "form", "json", "multipart"])
async def test_parameters_come_in_four_ways_and_names_in_any_case(how: str) -> None:
    """https://core.telegram.org/bots/api#making-requests."""
    async with TelegramServer() as server, httpx.AsyncClient() as client:
        alice = server.user("Alice")
        await alice.sends(alice.dm, "hello")
        url, args = f"{server.base_url}{server.token}/SENDmessage", {"chat_id": str(alice.id), "text": "hi"}
        if how == "query":
            answer = await client.get(url, params=args)
        elif how == "form":
            answer = await client.post(url, data=args)
        elif how == "json":
            answer = await client.post(url, json={"chat_id": alice.id, "text": "hi"})
        else:
            answer = await client.post(url, data=args, files={"unused": b"x"})
        assert answer.json()["result"]["text"] == "hi"
        assert [one.text for one in alice.dm.bot_messages] == ["hi"]
        assert server.calls("sendmessage")[0].json == {"chat_id": alice.id, "text": "hi"}


async def test_every_request_is_recorded_with_what_was_said_to_it() -> None:
    async with TelegramServer() as server, httpx.AsyncClient() as client:
        await client.post(f"{server.base_url}{server.token}/sendMessage", json={"chat_id": 5, "text": "hi"})
        (request,) = server.requests
        assert (request.method, request.status) == ("sendMessage", 400)
        assert request.description == "Bad Request: chat not found"


async def test_logging_out_ends_the_bot_on_this_server() -> None:
    """https://core.telegram.org/bots/api#logout; `close` is refused in the first ten minutes."""
    async with TelegramServer() as server, httpx.AsyncClient() as client:
        base = f"{server.base_url}{server.token}"
        assert (await client.post(f"{base}/close")).json()["parameters"]["retry_after"] >= 599
        assert (await client.post(f"{base}/logOut")).json() == {"ok": True, "result": True}
        assert (await client.post(f"{base}/getMe")).json()["description"] == "Logged out"


def test_as_a_process_it_takes_lines_from_a_person() -> None:
    command = [sys.executable, "-m", "tests.servers.telegram", "--token", "12:ab"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            at = json.loads(process.stdout.readline())
            assert (at["token"], at["base_url"]) == ("12:ab", f"{at['url']}/bot")
            process.stdin.write("hello\n")
            process.stdin.flush()
            updates = httpx.get(f"{at['base_url']}12:ab/getUpdates", params={"timeout": 10}, timeout=15).json()
            assert updates["result"][0]["message"]["text"] == "hello"
            httpx.post(f"{at['base_url']}12:ab/sendMessage", json={"chat_id": at["you"], "text": "hi"})
            assert json.loads(process.stdout.readline())["text"] == "hi"
        finally:
            process.terminate()


async def test_the_token_shipped_is_well_formed() -> None:
    async with TelegramServer() as server, bot_on(server) as bot:
        assert server.token == TOKEN
        assert bot.bot.id == int(TOKEN.partition(":")[0])
