"""The methods, by name, and those that are neither about sending nor about receiving updates.

https://core.telegram.org/bots/api#available-methods. Each takes the state and a request and gives the result, or raises
`Refusal`. Whoever calls one holds the lock of the state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.servers.telegram import accounts, topics
from tests.servers.telegram.access import found_message, pick_topic, readable, writable
from tests.servers.telegram.call import Call
from tests.servers.telegram.formatting import MAX_TEXT, cleaned, formatted
from tests.servers.telegram.media import get_file, send_album, send_file, send_location
from tests.servers.telegram.membership import member_wire
from tests.servers.telegram.outgoing import edit_caption, edit_markup, edit_text, send, send_text, target
from tests.servers.telegram.reactions import EMOJI
from tests.servers.telegram.refusals import bad_request, flood
from tests.servers.telegram.state import ChatState, UserState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import CallbackAnswer, ChatAction, DraftText, World, scope_key

__all__ = ["METHODS", "SENDING", "Method"]

Method: TypeAlias = Callable[[World, Call], Any]

ACTIONS = frozenset(
    "typing upload_photo record_video upload_video record_voice upload_voice record_audio upload_audio "
    "upload_document choose_sticker find_location pick_up_location record_video_note upload_video_note cancel".split()
)
COMMAND = re.compile(r"[a-z0-9_]+")
MAX_COMMANDS = 100
TWO_DAYS_S = 172_800
FRESH_S = 600.0


def get_me(world: World, call: Call) -> Object:
    return world.bot.wire() | {
        "can_join_groups": True,
        "can_read_all_group_messages": world.reads_all,
        "supports_inline_queries": False,
        "can_connect_to_business": world.connectable,
        "has_main_web_app": False,
        "has_topics_enabled": world.private_topics,
        "allows_users_to_create_topics": world.private_topics,
    }


def delete_message(world: World, call: Call) -> bool:
    """Own messages everywhere, other people's in private chats and as an administrator; for two days."""
    if not call.text("message_id"):
        raise bad_request("message identifier is not specified")
    chat = writable(world, call)
    message = found_message(chat, call.integer("message_id"), "message to delete")
    admin = chat.members.get(world.bot.id) == "administrator"
    too_old = world.clock.now() - message.wire["date"] > TWO_DAYS_S and not admin
    if too_old or not (message.by_bot or chat.person or admin):
        raise bad_request("message can't be deleted for everyone" if too_old else "message can't be deleted")
    message.deleted = True
    return True


def forward_message(world: World, call: Call) -> Object:
    source = readable(world, call, "from_chat_id")
    message = found_message(source, call.integer("message_id"), "message to forward")
    where = target(world, call)
    if message.protected:
        raise bad_request("message has protected content and can't be forwarded")
    kept = {name: value for name, value in world.shown(message).items() if name not in STAYS}
    kept["forward_origin"] = {"type": "user", "sender_user": message.wire.get("from", {}), "date": message.wire["date"]}
    return world.shown(send(world, where, kept, message.contents))


STAYS = frozenset(
    "message_id date chat from sender_chat reply_to_message reply_markup edit_date message_thread_id is_topic_message "
    "media_group_id quote has_protected_content author_signature".split()
)
"""What does not go along when a message is forwarded."""


def send_action(world: World, call: Call) -> bool:
    if call.text("action") not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = writable(world, call)
    thread = call.integer("message_thread_id") or None
    if thread:
        pick_topic(chat, call)
    world.actions.append(ChatAction(chat.id, call.text("action"), thread, at=world.clock.now()))
    return True


def send_draft(world: World, call: Call) -> bool:
    """`sendMessageDraft`: private chats only, and nothing that stays."""
    rich = cleaned(formatted(call.text("text"), call.text("parse_mode"), call.json("entities")), may_be_empty=True)
    chat = writable(world, call)
    if not chat.person:
        raise bad_request("TEXTDRAFT_PEER_INVALID")
    pick_topic(chat, call)
    if rich.units > MAX_TEXT:
        raise bad_request("message is too long")
    if call.integer("draft_id") == 0:
        raise bad_request("RANDOM_ID_INVALID")
    world.drafts.append(DraftText(chat.id, call.integer("draft_id"), rich.text, at=world.clock.now()))
    return True


def set_reaction(world: World, call: Call) -> bool:
    """One emoji at most; none takes the reaction away."""
    wanted = call.objects("reaction", "ReactionType")
    if any(one.get("type") not in ("emoji", "custom_emoji", "paid") for one in wanted):
        raise bad_request("can't parse ReactionType: invalid reaction type specified")
    if call.text("business_connection_id"):
        raise bad_request("reactions cannot be set on behalf of an account")
    chat = readable(world, call)
    message = found_message(chat, call.integer("message_id"), "message to react")
    if len(wanted) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    allowed = EMOJI if chat.reactions is None else chat.reactions
    if any(one["type"] != "emoji" or one.get("emoji") not in allowed for one in wanted):
        raise bad_request("REACTION_INVALID")
    writable(world, call)
    message.reactions[world.bot.id] = [str(one["emoji"]) for one in wanted]
    return True


def answer_press(world: World, call: Call) -> bool:
    """`answerCallbackQuery`: once, and soon."""
    press = world.presses.get(call.text("callback_query_id"))
    late = press is not None and world.clock.now() - press.at > world.callback_expiry_s
    if press is None or late or press.answer is not None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if len(call.text("text")) > 200:
        raise bad_request("MESSAGE_TOO_LONG")
    press.answer = CallbackAnswer(call.text("text"), call.flag("show_alert"), call.text("url"))
    return True


def set_commands(world: World, call: Call) -> bool:
    kept: list[Object] = []
    for one in call.objects("commands", "BotCommand"):
        for name in ("command", "description"):
            if name not in one:
                raise bad_request(f"can't parse BotCommand: Can't find field \"{name}\"")
        kept.append(checked_command(str(one["command"]), str(one["description"])))
    if len(kept) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    world.commands[commands_key(call)] = kept
    return True


def checked_command(command: str, description: str) -> Object:
    command, description = command.strip().removeprefix("/"), description.strip()
    for what, value, limit in (("command", command, 32), ("command description", description, 256)):
        if not value:
            raise bad_request(f"{what} must be non-empty")
        if len(value) > limit:
            raise bad_request(f"{what} length must not exceed {limit}")
    if not COMMAND.fullmatch(command):
        raise bad_request("BOT_COMMAND_INVALID")
    return {"command": command, "description": description}


def commands_key(call: Call) -> tuple[str, str]:
    return scope_key(call.json("scope")), call.text("language_code")


def get_commands(world: World, call: Call) -> list[Object]:
    return world.commands.get(commands_key(call), [])


def delete_commands(world: World, call: Call) -> bool:
    world.commands.pop(commands_key(call), None)
    return True


def get_chat(world: World, call: Call) -> Object:
    chat = readable(world, call)
    more: Object = {"accent_color_id": 0, "max_reaction_count": 11}
    more["accepted_gift_types"] = dict.fromkeys(
        ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
    )
    if chat.description:
        more["description"] = chat.description
    if chat.reactions is not None:
        more["available_reactions"] = [{"type": "emoji", "emoji": emoji} for emoji in sorted(chat.reactions)]
    return chat.wire() | more


def member_of(world: World, chat: ChatState, user_id: int) -> Object:
    user: UserState | None = world.bot if user_id == world.bot.id else world.users.get(user_id)
    if user is None:
        raise bad_request("invalid user_id specified" if user_id <= 0 else "user not found")
    if chat.person:
        return member_wire(user, "member")
    return member_wire(user, chat.members.get(user_id, "left"))


def get_member(world: World, call: Call) -> Object:
    return member_of(world, readable(world, call), call.integer("user_id"))


def get_administrators(world: World, call: Call) -> list[Object]:
    chat = readable(world, call)
    if chat.person:
        raise bad_request("there are no administrators in the private chat")
    ranks = ("creator", "administrator")
    return [member_of(world, chat, who) for who, rank in chat.members.items() if rank in ranks]


def leave_chat(world: World, call: Call) -> bool:
    chat = writable(world, call)
    if chat.person:
        raise bad_request("chat member status can't be changed in private chats")
    chat.members[world.bot.id] = "left"
    return True


def log_out(world: World, call: Call) -> bool:
    world.logged_out = True
    return True


def close(world: World, call: Call) -> bool:
    """Documented: 429 in the first ten minutes after the bot was launched."""
    left = FRESH_S - (world.clock.now() - world.started_at)
    if left > 0:
        raise flood(max(1, int(left)))
    return True


SENDING: Mapping[str, Method] = {
    "sendmessage": send_text,
    "sendphoto": send_file,
    "senddocument": send_file,
    "sendvoice": send_file,
    "sendaudio": send_file,
    "sendvideo": send_file,
    "sendanimation": send_file,
    "sendvideonote": send_file,
    "sendsticker": send_file,
    "sendlocation": send_location,
    "sendmediagroup": send_album,
    "forwardmessage": forward_message,
    "editmessagetext": edit_text,
    "editmessagecaption": edit_caption,
    "editmessagereplymarkup": edit_markup,
}
"""What the limits on messages count."""
METHODS: Mapping[str, Method] = {
    **SENDING,
    "getme": get_me,
    "deletemessage": delete_message,
    "sendchataction": send_action,
    "sendmessagedraft": send_draft,
    "setmessagereaction": set_reaction,
    "answercallbackquery": answer_press,
    "setmycommands": set_commands,
    "getmycommands": get_commands,
    "deletemycommands": delete_commands,
    "getchat": get_chat,
    "getchatmember": get_member,
    "getchatadministrators": get_administrators,
    "leavechat": leave_chat,
    "getfile": get_file,
    "getbusinessconnection": accounts.get_connection,
    "deletebusinessmessages": accounts.delete_business,
    "getforumtopiciconstickers": topics.icons,
    "createforumtopic": topics.create,
    "editforumtopic": topics.edit,
    "closeforumtopic": topics.close,
    "reopenforumtopic": topics.reopen,
    "editgeneralforumtopic": topics.edit_general,
    "closegeneralforumtopic": topics.close_general,
    "reopengeneralforumtopic": topics.reopen_general,
    "logout": log_out,
    "close": close,
}
