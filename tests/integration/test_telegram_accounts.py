"""Chats of accounts that connected the bot (Telegram Business), direct messages and posts of channels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Heard, Logged
from bridge_mcp.service import OWNER, Bridge
from tests.channels.stage import Stage, staged
from tests.channels.telegram_platform import Telegram, TelegramHuman
from tests.servers.telegram import Account, TelegramServer, User

WAIT_S = 20.0


async def said(it: Stage, account: Account, guest: User, count: int) -> list[str]:
    """What the bot wrote to somebody on behalf of an account."""
    chat = account.chat(guest)
    server = it.platform
    assert isinstance(server, Telegram)
    await server.server.until(lambda: sum(each.by_bot for each in chat.messages) >= count, timeout_s=WAIT_S)
    return [each.text for each in chat.bot_messages]


async def let_in(bridge: Bridge, owner: User, server: TelegramServer) -> None:
    """The owner of the account is told a code in their own chat with the bot; the owner of the bridge takes it."""
    await server.until(lambda: bool(owner.dm.bot_messages), timeout_s=WAIT_S)
    code = re.search(r"\b[A-Z0-9]{8}\b", owner.dm.bot_messages[-1].text)
    assert code is not None
    paired = await bridge.pair_chat(OWNER, code=code[0])
    assert (paired.subject, paired.name) == (f"business-{owner.id}", owner.name)


async def known(server: TelegramServer, name: str) -> User:
    """Somebody who has begun a chat with the bot."""
    user = server.user(name)
    await user.sends(user.dm, "hello")
    return user


@pytest.mark.shows("chats.accounts")
async def test_chats_of_an_account_are_answered_on_its_behalf_and_its_guests_are_nobody(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform, more="business = true\n", files=["a.txt"]) as it, it.up() as bridge:
            shop, ann, bob = server.user("Shop"), server.user("Ann"), server.user("Bob")
            shop.dm.state.person.started = True  # type: ignore[union-attr]
            account = server.account(shop)
            await account.hears(ann, "before it is let in")
            await let_in(bridge, shop, server)
            await it.let_in(TelegramHuman(server, shop), role="approver")
            here = f"family/business-{shop.id}/{ann.id}"

            await account.hears(ann, "are you open")
            assert await said(it, account, ann, 1) == ["echo: are you open"]
            await account.says(ann, "with my own hands")
            await account.hears(ann, "/status")
            second = (await said(it, account, ann, 2))[1]  # no command, and what the owner said is in sight
            assert second.startswith("echo: with my own hands")
            assert second.endswith("/status")
            await account.hears(bob, "me too")
            assert await said(it, account, bob, 1) == ["echo: me too"]
            assert not ann.dm.bot_messages
            log = await bridge.read_log(OWNER, here)
            heard = [each.entry for each in log if isinstance(each, Logged) and isinstance(each.entry, Heard)]
            assert [(each.text, each.to) for each in heard] == [
                ("are you open", "assistant"), ("with my own hands", "off"), ("/status", "assistant"),
            ]  # fmt: skip

            await account.hears(ann, "delete a.txt")
            asked = await it.event("approval.requested")
            assert asked.body["route"] == f"family/{shop.id}"
            await server.until(lambda: bool(shop.dm.bot_messages[-1].labels), timeout_s=WAIT_S)
            assert not any(each.labels for each in account.chat(ann).bot_messages)
            yes = next(each for each in shop.dm.bot_messages[-1].labels if "Approve" in each or "✅" in each)
            await shop.presses(shop.dm.bot_messages[-1], yes)
            await it.event("tool.finished")

            sent = await bridge.send_message(OWNER, here, "by an agent", wait_s=WAIT_S)
            assert sent.status == "sent"
            edited = await bridge.edit_message(OWNER, sent.message, "changed", wait_s=WAIT_S)
            assert edited.status == "sent"
            assert "changed" in [each.text for each in account.chat(ann).bot_messages]
            await files_and_buttons(it, account, ann, here)
            refused = await bridge.react(OWNER, f"{here}#0", "👍", wait_s=WAIT_S)
            assert (refused.status, "not react" in refused.reason) == ("failed", True)


async def files_and_buttons(it: Stage, account: Account, guest: User, here: str) -> None:
    """Files go both ways, and a button that a guest presses is what they say."""
    bridge, chat, server = it.bridge, account.chat(guest), it.platform
    assert isinstance(server, Telegram)
    await account.hears_file(guest, "document", b"a list of wishes", "my list")
    await server.server.until(lambda: chat.bot_messages[-1].text.startswith("echo: my list"), timeout_s=WAIT_S)
    (heard,) = [each for each in (await bridge.read_messages(OWNER, here)).messages if each.text == "my list"]
    assert (await bridge.fetch_attachment(OWNER, heard.id)).data == b"a list of wishes"

    sent = await bridge.send_message(OWNER, here, "Take it?", files=[f"{heard.id}/0"], buttons=["Yes"], wait_s=WAIT_S)
    assert (sent.status, sent.reason) == ("sent", "")
    offered = chat.bot_messages[-1]
    assert ([each.data for each in offered.files], offered.labels) == ([b"a list of wishes"], ["Yes"])
    assert (await (await guest.presses(offered, "Yes", within=chat)).answered(WAIT_S)).text == "Yes"
    await server.server.until(lambda: chat.bot_messages[-1].text == "echo: Yes", timeout_s=WAIT_S)
    assert [each.author.id for each in (await bridge.read_messages(OWNER, here)).messages if each.text == "Yes"] == [
        str(guest.id)
    ]


@pytest.mark.shows("chats.accounts")
async def test_a_new_connection_goes_on_where_the_old_one_was_and_an_ended_one_says_so(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform, more="business = true\n") as it, it.up() as bridge:
            shop, ann = await known(server, "Shop"), server.user("Ann")
            account = server.account(shop)
            await server.until(lambda: len(shop.dm.bot_messages) == 2, timeout_s=WAIT_S)
            await let_in(bridge, shop, server)
            await account.hears(ann, "one")
            await said(it, account, ann, 1)
            here = f"family/business-{shop.id}/{ann.id}"
            account.disconnect()
            gone = await bridge.send_message(OWNER, here, "anybody?", wait_s=WAIT_S)
            assert (gone.status, "disconnected" in gone.reason) == ("failed", True)
            account.connect()
            await account.hears(ann, "two")
            await said(it, account, ann, 1)
            assert await it.heard(f"business-{shop.id}/{ann.id}") == ["one", "two"]
            account.connect(can_reply=False)
            await account.hears(ann, "three")
            await it.event("message.failed", lambda each: "does not let the bot write" in str(each.body["reason"]))
        # A run that no update told whose the connection is asks for it.
        account.connect()
        server.world.queue.clear()
        async with it.up():
            await account.hears(ann, "four")
            assert (await said(it, account, ann, 1))[-1] == "echo: four"
            assert server.calls("getBusinessConnection")


async def test_a_deleted_message_is_not_answered_and_one_of_nobodys_account_holds_nothing_up(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform, more="business = true\n") as it:
            shop, ann = await known(server, "Shop"), server.user("Ann")
            account = server.account(shop)
            async with it.up() as bridge:
                await server.until(lambda: len(shop.dm.bot_messages) == 2, timeout_s=WAIT_S)
                await let_in(bridge, shop, server)
            wrong = await account.hears(ann, "a slip of the pen")
            await account.deletes(ann, [wrong])
            lost = server.account(server.user("Nobody"))
            await lost.hears(ann, "into the void")
            del server.world.connections[lost.id]
            await account.hears(ann, "what I meant")
            async with it.up():
                assert (await said(it, account, ann, 1))[-1] == "echo: what I meant"
                texts = await it.heard(f"business-{shop.id}/{ann.id}")
                assert texts[-1] == "what I meant"


@pytest.mark.shows("chats.accounts")
async def test_direct_messages_of_a_channel_are_one_conversation_for_each_person(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform, more="direct_messages = true\n") as it, it.up() as bridge:
            ann, bob = server.user("Ann"), server.user("Bob")
            inbox = server.direct_messages(server.channel("News"))
            await inbox.hears(ann, "first")
            asked = await it.event("pairing.requested")
            assert (asked.body["subject"], asked.body["name"]) == (str(inbox.id), "News › Ann")
            assert not inbox.bot_messages
            await bridge.pair_chat(OWNER, channel="family", chat=str(inbox.id))
            await inbox.hears(ann, "hello")
            await inbox.bot_says(1, timeout_s=WAIT_S)
            await inbox.says(ann, "an administrator")
            await inbox.hears(bob, "hi")
            answered = await inbox.bot_says(2, timeout_s=WAIT_S)
            assert [each.text for each in answered] == ["echo: hello", "echo: hi"]
            topics = [inbox.state.messages[each.message_id].wire["direct_messages_topic"] for each in answered]
            assert [each["topic_id"] for each in topics] == [ann.id, bob.id]
            found = {each.id: each.title for each in (await bridge.list_conversations(OWNER)).conversations}
            assert found[f"family/{inbox.id}/dm{ann.id}"] == "News › Ann"
            assert await it.heard(f"{inbox.id}/dm{ann.id}") == ["hello", "an administrator"]


async def test_nothing_of_it_is_asked_for_or_heard_where_nobody_configured_it(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform) as it, it.up() as bridge:
            news, ann = server.channel("News"), server.user("Ann")
            inbox = server.direct_messages(news)
            await it.let_in(TelegramHuman(server, ann))
            await bridge.pair_chat(OWNER, channel="family", chat=str(news.id))
            await bridge.pair_chat(OWNER, channel="family", chat=str(inbox.id))
            account = server.account(server.user("Shop"))
            await account.hears(ann, "to the shop")
            await news.posts(f"@{server.world.bot.username} a post")
            await inbox.hears(ann, "to the channel")
            await ann.sends(ann.dm, "to the bot")
            (answer,) = await ann.dm.bot_says(1, timeout_s=WAIT_S)
            assert answer.text == "echo: to the bot"
            assert [each.id for each in (await bridge.list_conversations(OWNER)).conversations] == [f"family/{ann.id}"]
            asked = json.loads(server.calls("getUpdates")[-1].args["allowed_updates"])
            assert not [each for each in asked if "business" in each or "channel" in each]


@pytest.mark.shows("chats.accounts")
async def test_what_came_before_the_owner_turned_it_off_is_not_answered_after(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform, more="business = true\n") as it:
            shop, ann = await known(server, "Shop"), server.user("Ann")
            account = server.account(shop)
            async with it.up() as bridge:
                await server.until(lambda: len(shop.dm.bot_messages) == 2, timeout_s=WAIT_S)
                await let_in(bridge, shop, server)
                await it.let_in(TelegramHuman(server, shop))
            await account.hears(ann, "while nobody listened")
            it.config.write_text(it.config.read_text().replace("business = true\n", ""))
            async with it.up():
                await shop.sends(shop.dm, "to the bot")
                await server.until(
                    lambda: any(each.text.endswith("to the bot") for each in shop.dm.bot_messages), timeout_s=WAIT_S
                )
                assert not account.chat(ann).bot_messages


@pytest.mark.shows("chats.bots")
async def test_posts_of_a_channel_are_answered_where_configured_and_so_many_in_a_row(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        platform = Telegram(server)
        more = 'channel_posts = true\ngroups = "always"\nbot_turns = 2\n'
        async with staged(tmp_path, platform, more=more) as it, it.up() as bridge:
            news = server.channel("News")
            await bridge.pair_chat(OWNER, channel="family", chat=str(news.id))
            for number in range(1, 5):
                await news.posts(f"bot {number}")
                answers = await news.bot_says(min(number, 3), timeout_s=WAIT_S)
            await news.posts("/status")
            answers = await news.bot_says(4, timeout_s=WAIT_S)
            assert [each.text for each in answers[:2]] == ["echo: bot 1", "echo: bot 2"]
            assert "2 times in a row" in answers[2].text
            assert "5 minutes" in answers[2].text
            log = await bridge.read_log(OWNER, f"family/{news.id}")
            heard = [each.entry for each in log if isinstance(each, Logged) and isinstance(each.entry, Heard)]
            assert [(each.to, each.bot_turn) for each in heard] == [
                ("assistant", 1), ("assistant", 2), ("off", 3), ("off", 4), ("bridge", 0),
            ]  # fmt: skip


async def test_topics_of_a_chat_with_one_person_are_conversations(tmp_path: Path) -> None:
    async with TelegramServer(private_topics=True) as server:
        platform = Telegram(server)
        async with staged(tmp_path, platform) as it, it.up() as bridge:
            ann = server.user("Ann")
            await it.let_in(TelegramHuman(server, ann))
            await ann.sends(ann.dm, "outside")
            await ann.dm.bot_says(1, timeout_s=WAIT_S)
            topic = await ann.dm.topic("Holidays", ann)
            await ann.sends(ann.dm, "inside", thread=topic)
            answers = await ann.dm.bot_says(2, timeout_s=WAIT_S)
            assert (answers[-1].text, answers[-1].thread) == ("echo: inside", topic)
            titles = {each.id: each.title for each in (await bridge.list_conversations(OWNER)).conversations}
            assert titles[f"family/{ann.id}/{topic}"] == "Ann › Holidays"
            made = await bridge.create_topic(OWNER, f"family/{ann.id}", "Made", wait_s=WAIT_S)
            await bridge.send_message(OWNER, made.conversation, "the first", wait_s=WAIT_S)
            assert ann.dm.bot_messages[-1].thread == int(made.conversation.rpartition("/")[2])
