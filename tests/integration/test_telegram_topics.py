"""Topics on Telegram, with its refusals: rights, icons, closing, the general topic, and chats with one person."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge_mcp.core.entries import Topic
from bridge_mcp.core.errors import SendFailed, SendUncertain
from bridge_mcp.ports import Outgoing, TopicChange
from tests.integration.telegram_chats import Rig, rig
from tests.servers.telegram import Chat, Fault, TelegramServer
from tests.servers.telegram.topics import ICONS


@pytest.fixture
async def telegram(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Rig]:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    async with TelegramServer() as server, rig(server) as made:
        yield made


@pytest.fixture
def forum(telegram: Rig) -> Chat:
    return telegram.server.supergroup("forum", [telegram.alice], bot="administrator", forum=True)


async def test_a_topic_is_made_with_an_icon_and_changed_in_all_it_has(telegram: Rig, forum: Chat) -> None:
    (thread,) = await telegram.send(TopicChange(str(forum.id), Topic("Plans", "✈", new=True)))
    topic = forum.state.topics[int(thread)]
    assert (topic.name, topic.icon) == ("Plans", ICONS["✈️"])
    here = f"{forum.id}/{thread}"
    assert await telegram.send(TopicChange(here, Topic("Trip", "🔥", closed=True))) == []
    assert (topic.name, topic.icon, topic.closed) == ("Trip", ICONS["🔥"], True)
    for _ in range(2):  # what is as wanted already counts as changed
        await telegram.send(TopicChange(here, Topic(icon="", closed=False)))
    assert (topic.name, topic.icon, topic.closed) == ("Trip", "", False)
    await telegram.send(Outgoing(here, "in it"))
    assert [each.text for each in forum.bot_messages][-1] == "in it"
    assert len(telegram.server.calls("getForumTopicIconStickers")) == 1


async def test_the_general_topic_is_named_and_closed_and_has_no_other_icon(telegram: Rig, forum: Chat) -> None:
    here = f"{forum.id}/1"
    for closed in (True, True, False):
        await telegram.send(TopicChange(here, Topic("Lobby", closed=closed)))
        assert (forum.state.general_name, forum.state.general_closed) == ("Lobby", closed)
    with pytest.raises(SendFailed, match="no other icon"):
        await telegram.send(TopicChange(here, Topic(icon="🔥")))


@pytest.mark.parametrize(
    ("rank", "is_forum", "told"),
    [
        ("member", True, "can_manage_topics"),
        ("administrator", False, "Turn topics on"),
    ],
)
async def test_what_the_bot_may_not_is_told_with_the_fix(telegram: Rig, rank: str, is_forum: bool, told: str) -> None:
    chat = telegram.server.supergroup("x", [telegram.alice], bot=rank, forum=is_forum)  # type: ignore[arg-type]
    with pytest.raises(SendFailed) as refused:
        await telegram.send(TopicChange(str(chat.id), Topic("Plans", new=True)))
    assert refused.value.retry_after_s is None
    assert told in str(refused.value)


async def test_others_topics_take_the_right_and_those_of_the_bot_none(telegram: Rig) -> None:
    forum = telegram.server.supergroup("forum", [telegram.alice], bot="administrator", forum=True)
    (own,) = await telegram.send(TopicChange(str(forum.id), Topic("Own", new=True)))
    theirs = await forum.topic("Theirs", telegram.alice)
    forum.state.bot_manages_topics = False
    await telegram.send(TopicChange(f"{forum.id}/{own}", Topic("Renamed", closed=True)))
    for change, told in ((Topic("Mine now"), "may not change"), (Topic(closed=True), "neither close nor open")):
        with pytest.raises(SendFailed, match=told):
            await telegram.send(TopicChange(f"{forum.id}/{theirs}", change))
    await forum.deletes_topic(theirs)
    with pytest.raises(SendFailed, match="gone"):
        await telegram.send(TopicChange(f"{forum.id}/{theirs}", Topic("Back")))


async def test_an_icon_that_telegram_has_not_is_refused_before_anything_is_made(telegram: Rig, forum: Chat) -> None:
    with pytest.raises(SendFailed, match="no icon") as refused:
        await telegram.send(TopicChange(str(forum.id), Topic("Plans", "🦆", new=True)))
    assert "🔥" in str(refused.value)
    telegram.server.fault(Fault.lost_before(), "getForumTopicIconStickers")
    fresh = telegram.sender.__class__(telegram.bot, telegram.clock, "telegram")
    (part,) = fresh.parts(TopicChange(str(forum.id), Topic("Plans", "🔥", new=True)))
    with pytest.raises(SendFailed) as lost:
        await fresh.send(part)
    assert not isinstance(lost.value, SendUncertain)
    assert not forum.state.topics


async def test_a_lost_answer_leaves_the_making_uncertain_and_a_change_to_be_tried_again(
    telegram: Rig, forum: Chat
) -> None:
    telegram.server.fault(Fault.lost_after(), "createForumTopic")
    with pytest.raises(SendUncertain):
        await telegram.send(TopicChange(str(forum.id), Topic("Plans", new=True)))
    (number,) = forum.state.topics
    telegram.server.fault(Fault.lost_after(), "editForumTopic")
    with pytest.raises(SendFailed) as again:
        await telegram.send(TopicChange(f"{forum.id}/{number}", Topic("Trip")))
    assert again.value.retry_after_s == 0.0
    telegram.server.fault(Fault.flood(7), "createForumTopic")
    with pytest.raises(SendFailed, match="wait 7 s"):
        await telegram.send(TopicChange(str(forum.id), Topic("More", new=True)))


async def test_chats_with_one_person_have_topics_where_the_bot_has_them() -> None:
    async with TelegramServer(private_topics=True) as server, rig(server) as made:
        (thread,) = await made.send(TopicChange(made.dm, Topic("Plans", new=True)))
        here = f"{made.dm}/{thread}"
        await made.send(TopicChange(here, Topic("Trip", "💡")))
        assert made.alice.dm.state.topics[int(thread)].name == "Trip"
        await made.send(Outgoing(here, "in it"))
        assert made.messages[-1].thread == int(thread)
        with pytest.raises(SendFailed, match="closes no topics"):
            await made.send(TopicChange(here, Topic(closed=True)))
        await made.sender.show(here, 5, "growing")
        assert server.drafts[-1].text == "growing"


async def test_a_chat_with_one_person_without_topics_says_so(telegram: Rig) -> None:
    with pytest.raises(SendFailed, match="BotFather"):
        await telegram.send(TopicChange(telegram.dm, Topic("Plans", new=True)))
