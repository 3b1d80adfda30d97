"""Topics, as the bot makes and changes them: https://core.telegram.org/bots/api#createforumtopic.

Knows the state and the parameters of requests. Where the documentation does not say how a refusal is worded, the words
are those that bots report.
"""

from __future__ import annotations

from tests.servers.telegram.access import writable
from tests.servers.telegram.call import Call
from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.state import ChatState, TopicState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["ICONS", "close", "close_general", "create", "edit", "edit_general", "icons", "reopen", "reopen_general"]

ICONS = {"💡": "5312536423851630001", "🔥": "5312241539987020022", "✈️": "5348436127038579546"}
"""Some of the icons that every bot may use, with their ids."""
COLORS = frozenset({7322096, 16766590, 13338331, 9367192, 16749490, 16478047})
MAX_NAME = 128
BLUE = 7322096


def icons(world: World, call: Call) -> list[Object]:
    """`getForumTopicIconStickers`."""
    return [
        {
            "file_id": f"icon{number}",
            "file_unique_id": f"unique{number}",
            "type": "custom_emoji",
            "width": 100,
            "height": 100,
            "is_animated": True,
            "is_video": False,
            "emoji": emoji,
            "custom_emoji_id": number,
        }
        for emoji, number in ICONS.items()
    ]


def create(world: World, call: Call) -> Object:
    """`createForumTopic`: a service message of the bot, whose id is the topic's."""
    chat = with_topics(world, call)
    if not chat.person and not manages(world, chat):
        raise bad_request("not enough rights to create a topic")
    color = call.integer("icon_color", BLUE)
    if color not in COLORS:
        raise bad_request("TOPIC_ICON_COLOR_INVALID")
    made: Object = {"name": named(call), "icon_color": color}
    if icon := icon_of(call):
        made["icon_custom_emoji_id"] = icon
    number = world.next_message_id(chat)
    body: Object = {"forum_topic_created": made, "message_thread_id": number, "is_topic_message": True}
    message = world.add_message(chat, body | {"from": world.bot.wire()})
    message.by_bot = True
    chat.topics[number] = TopicState(number, made["name"], icon=icon, by_bot=True)
    return {"message_thread_id": number, **made}


def edit(world: World, call: Call) -> bool:
    """`editForumTopic`: what is not passed stays."""
    topic = changeable(world, call, "edit the topic")
    name = named(call) if call.text("name") else topic.name
    icon = icon_of(call) if "icon_custom_emoji_id" in call.args else topic.icon
    if (name, icon) == (topic.name, topic.icon):
        raise bad_request("TOPIC_NOT_MODIFIED")
    topic.name, topic.icon = name, icon
    return True


def close(world: World, call: Call) -> bool:
    return toggled(world, call, closed=True)


def reopen(world: World, call: Call) -> bool:
    return toggled(world, call, closed=False)


def toggled(world: World, call: Call, *, closed: bool) -> bool:
    topic = changeable(world, call, "close or open the topic", groups_only=True)
    if topic.closed == closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    topic.closed = closed
    return True


def edit_general(world: World, call: Call) -> bool:
    chat = managed(world, call, "edit the topic")
    name = named(call)
    if chat.general_name == name:
        raise bad_request("TOPIC_NOT_MODIFIED")
    chat.general_name = name
    return True


def close_general(world: World, call: Call) -> bool:
    return general_toggled(world, call, closed=True)


def reopen_general(world: World, call: Call) -> bool:
    return general_toggled(world, call, closed=False)


def general_toggled(world: World, call: Call, *, closed: bool) -> bool:
    chat = managed(world, call, "close or open the topic")
    if chat.general_closed == closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    chat.general_closed = closed
    return True


def with_topics(world: World, call: Call, *, groups_only: bool = False) -> ChatState:
    """The chat of a request, if it has topics. Raises `Refusal`."""
    chat = writable(world, call)
    if not chat.is_forum and (groups_only or not (chat.person and world.private_topics)):
        raise bad_request("the chat is not a forum")
    return chat


def managed(world: World, call: Call, what: str) -> ChatState:
    chat = with_topics(world, call, groups_only=True)
    if not manages(world, chat):
        raise bad_request(f"not enough rights to {what}")
    return chat


def changeable(world: World, call: Call, what: str, *, groups_only: bool = False) -> TopicState:
    """The topic of a request, if the bot may change it: its own, or as an administrator with the right."""
    chat = with_topics(world, call, groups_only=groups_only)
    if call.integer("message_thread_id") <= 0:
        raise bad_request("invalid forum topic identifier specified")
    topic = chat.topics.get(call.integer("message_thread_id"))
    if topic is None or topic.deleted:
        raise bad_request("TOPIC_ID_INVALID")
    if not chat.person and not topic.by_bot and not manages(world, chat):
        raise bad_request(f"not enough rights to {what}")
    return topic


def manages(world: World, chat: ChatState) -> bool:
    return chat.members.get(world.bot.id) == "administrator" and chat.bot_manages_topics


def named(call: Call) -> str:
    """The name of a request: a longer one is cut."""
    name = " ".join(call.text("name").split())[:MAX_NAME]
    if not name:
        raise bad_request("title must be non-empty")
    return name


def icon_of(call: Call) -> str:
    icon = call.text("icon_custom_emoji_id")
    if icon and icon not in ICONS.values():
        raise bad_request("DOCUMENT_INVALID")
    return icon
