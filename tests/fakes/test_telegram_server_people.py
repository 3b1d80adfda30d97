"""What people do, and what of it a bot hears: chats of all kinds, privacy mode, members, topics, stand-ins."""

from __future__ import annotations

import pytest
from telegram import Bot, MessageOriginChannel, MessageOriginUser, Update
from telegram.error import BadRequest, ChatMigrated, Forbidden

from bridge_mcp.core.errors import BadInput, BridgeError, Denied, NotFound
from tests.fakes.telegram_bots import bot_on, received, refused
from tests.servers.telegram import Entity, TelegramServer, User

pytestmark = pytest.mark.anyio


@pytest.fixture
def alice(server: TelegramServer) -> User:
    return server.user("Alice", username="alice_w", last_name="West")


@pytest.fixture
def bob(server: TelegramServer) -> User:
    return server.user("Bob")


def heard(updates: list[Update] | tuple[Update, ...]) -> list[str]:
    found = [update.effective_message for update in updates]
    return [one.text or one.caption or "" for one in found if one]


async def test_a_private_message_says_who_wrote_it(bot: Bot, alice: User) -> None:
    sent = await alice.sends(alice.dm, "/start@loopback_test_bot now")
    (update,) = await received(bot)
    assert update.message
    assert update.message.chat.id == alice.id == sent.chat_id
    assert update.message.chat.type == "private"
    assert update.message.from_user
    assert update.message.from_user.full_name == "Alice West"
    assert update.message.parse_entities(["bot_command"]).popitem()[1] == "/start@loopback_test_bot"


async def test_entities_a_person_set_reach_the_bot(bot: Bot, alice: User, bob: User) -> None:
    await alice.sends(alice.dm, "ask Bob", entities=[Entity("text_mention", 4, 3, user_id=bob.id)])
    (update,) = await received(bot)
    assert update.message
    assert update.message.entities[0].user
    assert update.message.entities[0].user.id == bob.id


async def test_in_privacy_mode_a_bot_hears_what_is_meant_for_it(
    server: TelegramServer, bot: Bot, alice: User, bob: User
) -> None:
    """https://core.telegram.org/bots/features#privacy-mode."""
    group = server.group("Family", [alice, bob])
    await bot.send_message(group.id, "I am here")
    said = await alice.sends(group, "not for the bot")
    await bob.sends(group, "nor this", reply_to=said)
    await alice.sends(group, "/help")
    await alice.sends(group, "/help@other_bot")
    await alice.sends(group, "/help@loopback_test_bot")
    await alice.sends(group, "hey @loopback_test_bot")
    await alice.sends(group, "hey @loopback_test_bots")
    replied = await bob.sends(group, "a reply", reply_to=group.bot_messages[0])
    await alice.sends(group, "a reply to that", reply_to=replied)
    await alice.sends_photo(group, caption="see @loopback_test_bot")
    assert heard(await bot.get_updates()) == [
        "/help",
        "/help@loopback_test_bot",
        "hey @loopback_test_bot",
        "a reply",
        "a reply to that",
        "see @loopback_test_bot",
    ]


async def test_a_plain_command_goes_to_the_bot_that_wrote_last(server: TelegramServer, bot: Bot, alice: User) -> None:
    """And bots do not see each other: https://core.telegram.org/bots/faq."""
    other = server.user("Other", username="other_bot", bot=True)
    group = server.group("Family", [alice, other])
    await bot.send_message(group.id, "I am here")
    await alice.sends(group, "/first")
    await other.sends(group, "so am I @loopback_test_bot")
    await alice.sends(group, "/second")
    assert heard(await bot.get_updates()) == ["/first"]


@pytest.mark.parametrize("how", ["no privacy", "administrator"])
async def test_without_privacy_mode_or_as_administrator_it_hears_everything(how: str) -> None:
    async with TelegramServer(privacy=how != "no privacy") as server, bot_on(server) as bot:
        alice = server.user("Alice")
        group = server.group("Family", [alice], bot="administrator" if how == "administrator" else "member")
        await alice.sends(group, "anything")
        assert heard(await received(bot)) == ["anything"]
        assert bot.bot.can_read_all_group_messages is (how == "no privacy")


async def test_a_bot_hears_nothing_where_it_is_not(server: TelegramServer, bot: Bot, alice: User) -> None:
    group = server.group("Family", [alice], bot="absent")
    await alice.sends(group, "hey @loopback_test_bot")
    assert server.pending == 0
    with refused(server, "Forbidden: bot is not a member of the group chat", Forbidden):
        await bot.send_message(group.id, "hello")


async def test_coming_and_going(server: TelegramServer, bot: Bot, alice: User, bob: User) -> None:
    """https://core.telegram.org/bots/api#chatmemberupdated."""
    group = server.group("Family", [alice], bot="absent")
    await group.adds_bot(alice)
    await bob.joins(group)
    await bob.leaves(group)
    await group.adds_bot(alice, rank="administrator")
    await group.kicks_bot(alice)
    updates = await received(bot, 6)
    mine = [one.my_chat_member for one in updates if one.my_chat_member]
    assert [(one.old_chat_member.status, one.new_chat_member.status) for one in mine] == [
        ("left", "member"),
        ("member", "administrator"),
        ("administrator", "kicked"),
    ]
    told = [one.message for one in updates if one.message]
    assert [user.id for one in told for user in one.new_chat_members] == [bot.id, bob.id]
    assert told[-1].left_chat_member
    with refused(server, "Forbidden: bot was kicked from the group chat", Forbidden):
        await bot.send_message(group.id, "hello")


async def test_members_are_told_of_only_when_asked_for(
    server: TelegramServer, bot: Bot, alice: User, bob: User
) -> None:
    group = server.supergroup("Team", [alice], bot="administrator")
    await bot.get_updates(allowed_updates=["chat_member"])
    await bob.joins(server.supergroup("Where it is a plain member", [alice]))
    await bob.joins(group)
    (update,) = await received(bot)
    assert update.chat_member
    assert update.chat_member.new_chat_member.user.id == bob.id
    assert (await bot.get_chat_member(group.id, bob.id)).status == "member"
    assert [one.user.id for one in await bot.get_chat_administrators(group.id)] == [alice.id, bot.id]
    with refused(server, "Bad Request: user not found"):
        await bot.get_chat_member(group.id, 4711)


async def test_a_bot_can_leave(server: TelegramServer, bot: Bot, alice: User) -> None:
    group = server.supergroup("Team", [alice])
    assert (await bot.get_chat(group.id)).title == "Team"
    await bot.leave_chat(group.id)
    with refused(server, "Forbidden: bot is not a member of the supergroup chat", Forbidden):
        await bot.send_message(group.id, "hello")


async def test_a_group_becomes_a_supergroup(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#responseparameters."""
    group = server.group("Family", [alice])
    new = await group.migrates(alice)
    old_side, new_side = await received(bot, 2)
    assert old_side.message
    assert (old_side.message.chat.id, old_side.message.migrate_to_chat_id) == (group.id, new.id)
    assert new_side.message
    assert (new_side.message.chat.id, new_side.message.migrate_from_chat_id) == (new.id, group.id)
    with pytest.raises(ChatMigrated) as problem:
        await bot.send_message(group.id, "hello")
    assert problem.value.new_chat_id == new.id
    assert server.requests[-1].description == "Bad Request: group chat was upgraded to a supergroup chat"
    await bot.send_message(new.id, "hello")
    with pytest.raises(Denied, match="supergroup"):
        await alice.sends(group, "hello")


async def test_ids_of_messages_are_shared_outside_supergroups(server: TelegramServer, alice: User, bob: User) -> None:
    """https://core.telegram.org/bots/api#message: unique inside a chat, and no more than that."""
    team = server.supergroup("Team", [alice])
    one, two = await alice.sends(alice.dm, "a"), await bob.sends(bob.dm, "b")
    three = await alice.sends(team, "c")
    assert (one.message_id, two.message_id, three.message_id) == (1, 2, 2)


async def test_a_quote_comes_with_its_reply(server: TelegramServer, bot: Bot, alice: User) -> None:
    said = await alice.sends(alice.dm, "😀 two words")
    await alice.sends(alice.dm, "what is that?", reply_to=said, quote="words")
    message = (await received(bot, 2))[-1].message
    assert message
    assert message.quote
    assert message.quote.text == "words"
    assert message.reply_to_message
    assert message.reply_to_message.reply_to_message is None


async def test_stand_ins_are_no_people(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#message, sender_chat."""
    team = server.supergroup("Team", [alice], bot="administrator")
    news = server.channel("News")
    await alice.sends(team, "anonymous", anonymous=True)
    await alice.sends(team, "as a channel", as_channel=news)
    post = await news.posts("a post", signature="A. West")
    await news.passes_on(post, team)
    anonymous, channel, posted, passed = await received(bot, 4)
    assert anonymous.message
    assert (anonymous.message.sender_chat, anonymous.message.from_user and anonymous.message.from_user.id) == (
        anonymous.message.chat,
        1087968824,
    )
    assert channel.message
    assert channel.message.sender_chat
    assert channel.message.from_user
    assert (channel.message.sender_chat.id, channel.message.from_user.id) == (news.id, 136817688)
    assert posted.channel_post
    assert (posted.channel_post.from_user, posted.channel_post.author_signature) == (None, "A. West")
    assert passed.message
    assert passed.message.is_automatic_forward
    assert isinstance(passed.message.forward_origin, MessageOriginChannel)


async def test_a_bot_posts_in_a_channel_as_the_channel(server: TelegramServer, bot: Bot) -> None:
    news = server.channel("News", username="the_news")
    sent = await bot.send_message("@the_news", "hello")
    assert (sent.from_user, sent.sender_chat and sent.sender_chat.id) == (None, news.id)
    plain = server.channel("Other", bot="member")
    with refused(server, "Bad Request: need administrator rights in the channel chat"):
        await bot.send_message(plain.id, "hello")


async def test_edits_and_forwards(server: TelegramServer, bot: Bot, alice: User, bob: User) -> None:
    said = await alice.sends(alice.dm, "one")
    edited = await alice.edits(said, "two")
    await bob.forwards(edited, bob.dm)
    _, second, third = await received(bot, 3)
    assert second.edited_message
    assert (second.edited_message.text, second.edited_message.message_id) == ("two", said.message_id)
    assert third.message
    assert isinstance(third.message.forward_origin, MessageOriginUser)
    assert third.message.forward_origin.sender_user.id == alice.id
    with pytest.raises(Denied):
        await bob.edits(edited, "three")


async def test_reactions_in_groups_reach_administrators_only(server: TelegramServer, bot: Bot, alice: User) -> None:
    """https://core.telegram.org/bots/api#update, message_reaction."""
    await bot.get_updates(allowed_updates=["message_reaction"])
    for rank in ("member", "administrator"):
        group = server.supergroup(rank, [alice], bot=rank)
        await bot.send_message(group.id, "done")
        await alice.reacts(group.bot_messages[0], "🎉")
    (update,) = await received(bot)
    assert update.message_reaction
    assert update.message_reaction.chat.title == "administrator"


async def test_what_people_cannot_do_is_said(server: TelegramServer, bot: Bot, alice: User, bob: User) -> None:
    group = server.group("Family", [alice])
    with pytest.raises(Denied, match="Bob is not in Family"):
        await bob.sends(group, "hello")
    with pytest.raises(BadInput, match="empty"):
        await alice.sends(alice.dm, " ")
    said = await alice.sends(alice.dm, "hello")
    with pytest.raises(NotFound, match=r"no button 'Yes'\. It has: none"):
        await alice.presses(said, "Yes")
    with pytest.raises(BridgeError, match="wrote 0 of 1 messages"):
        await alice.dm.bot_says(timeout_s=0.0)
    await alice.blocks()
    with pytest.raises(Denied, match="blocked"):
        await alice.sends(alice.dm, "hello")
    with pytest.raises(BadRequest):
        await bot.get_chat(4711)
